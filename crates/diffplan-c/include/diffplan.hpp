// diffplan: planning by diffusion, from C++17. A header over diffplan.h: handles that free themselves, views in place of pointers and sizes, exceptions in place of
// statuses. What each call does, its units and its rules stand in diffplan.h.
//
//     auto pipeline = diffplan::Pipeline::open("checkpoint");
//     diffplan::Planner planner(pipeline);
//     std::vector<float> action = planner.plan(observation, diffplan::seed(0));
//
// Errors are exceptions, diffplan::Error, with the status and the library's text: whatever fails at start should not go on. In a loop, where a plan may be cancelled or
// late as a matter of course, `try_plan` and `try_plan_within` return the status instead, throw nothing and allocate nothing.
//
// Handles are moved, not copied. A Planner makes one plan at a time; `cancel` and `reset_cancel` are for other threads.

#ifndef DIFFPLAN_HPP
#define DIFFPLAN_HPP

#include "diffplan.h"

#if defined(_MSVC_LANG) ? _MSVC_LANG < 201703L : __cplusplus < 201703L
#error "diffplan.hpp needs C++17 or newer; diffplan.h is C"
#endif

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace diffplan {

/// Elements that lie one after the other, of somebody else's: what std::span is from C++20 on. Made of anything that has data() and size(), or of an array.
template <typename T>
class Span {
public:
    constexpr Span() noexcept = default;
    constexpr Span(T* data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <std::size_t N>
    constexpr Span(T (&array)[N]) noexcept : data_(array), size_(N) {}
    template <typename Container,
              typename = std::enable_if_t<std::is_convertible_v<decltype(std::declval<Container&>().data()), T*> &&
                                          !std::is_same_v<std::decay_t<Container>, Span>>>
    constexpr Span(Container&& container) noexcept : data_(container.data()), size_(container.size()) {}

    constexpr T* data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T* begin() const noexcept { return data_; }
    constexpr T* end() const noexcept { return data_ + size_; }
    constexpr T& operator[](std::size_t index) const noexcept { return data_[index]; }

private:
    T* data_ = nullptr;
    std::size_t size_ = 0;
};

using Status = diffplan_status;
using Noise = diffplan_noise;
using Timing = diffplan_timing;
using PlanShape = diffplan_plan_shape;
using Dimensions = diffplan_dimensions;

/// What went wrong: what() is the library's text.
class Error : public std::runtime_error {
public:
    explicit Error(Status status) : std::runtime_error(diffplan_last_error()), status_(status) {}
    Status status() const noexcept { return status_; }

private:
    Status status_;
};

/// Throws unless all went well.
inline void check(Status status) {
    if (status != DIFFPLAN_STATUS_OK) throw Error(status);
}

/// Of diffplan's generator, and of torch's.
inline Noise seed(std::uint64_t seed) noexcept { return diffplan_seed(seed); }
inline Noise torch_seed(std::uint64_t seed) noexcept { return diffplan_torch_seed(seed); }

/// The version of the library that is linked.
inline std::string version() { return diffplan_version(); }

/// Throws where the library that is linked is of another ABI than this header's. Pipeline::open does so by itself.
inline void check_abi() { check(diffplan_check_abi(DIFFPLAN_ABI_VERSION)); }

namespace detail {

/// A text of a function that writes one.
template <typename Write>
std::string text(Write write) {
    std::size_t length = 0;
    check(write(nullptr, 0, &length));
    std::string text(length + 1, '\0');
    check(write(text.data(), text.size(), &length));
    text.resize(length);
    return text;
}

template <typename T, void (*Free)(T*)>
struct Freed {
    void operator()(T* handle) const noexcept { Free(handle); }
};

template <typename T, void (*Free)(T*)>
using Handle = std::unique_ptr<T, Freed<T, Free>>;

} // namespace detail

/// Sets what hears messages of this level and above, for the whole process, from any thread; an empty function for nothing. Exceptions of it are swallowed. Call it
/// while no other thread is in a call.
inline void set_log(std::function<void(diffplan_level, std::string_view)> function,
                    diffplan_level least_level = DIFFPLAN_LEVEL_INFO) {
    // Kept until the next one.
    static std::function<void(diffplan_level, std::string_view)> kept;
    check(diffplan_set_log(least_level, nullptr, nullptr));
    kept = std::move(function);
    if (!kept) return;
    check(diffplan_set_log(
        least_level,
        [](std::int32_t level, const char* message, void*) {
            try {
                kept(static_cast<diffplan_level>(level), message);
            } catch (...) {
            }
        },
        nullptr));
}

class Options;
class Planner;

/// A checkpoint, opened. For any number of threads.
class Pipeline {
public:
    /// Opens the checkpoint at a path.
    static Pipeline open(const std::string& path) {
        check_abi();
        diffplan_pipeline* out = nullptr;
        check(diffplan_pipeline_open(path.c_str(), &out));
        return Pipeline(out);
    }

    Dimensions dimensions() const {
        Dimensions out{};
        check(diffplan_pipeline_dimensions(get(), &out));
        return out;
    }
    std::size_t observation_dim() const { return dimensions().observation_dim; }
    std::size_t action_dim() const { return dimensions().action_dim; }

    /// The id of the environment it was trained for; empty where it does not say.
    std::string environment() const {
        return detail::text([this](char* to, std::size_t room, std::size_t* length) {
            return diffplan_pipeline_environment(get(), to, room, length);
        });
    }

    /// What is odd or almost surely wrong with it.
    std::vector<std::string> notes() const {
        std::size_t count = 0;
        check(diffplan_pipeline_note_count(get(), &count));
        std::vector<std::string> all;
        for (std::size_t index = 0; index < count; ++index) {
            const char* note = nullptr;
            check(diffplan_pipeline_note(get(), index, &note));
            all.emplace_back(note);
        }
        return all;
    }

    diffplan_pipeline* get() const noexcept { return handle_.get(); }

private:
    explicit Pipeline(diffplan_pipeline* handle) noexcept : handle_(handle) {}
    detail::Handle<diffplan_pipeline, diffplan_pipeline_free> handle_;
};

/// Planning options by name.
class Options {
public:
    /// Those of the checkpoint.
    explicit Options(const Pipeline& pipeline) {
        diffplan_options* out = nullptr;
        check(diffplan_options_new(pipeline.get(), &out));
        handle_.reset(out);
    }

    /// Sets one: a number, true or false, or a text.
    template <typename T>
    Options& set(const std::string& name, const T& value) {
        if constexpr (std::is_same_v<T, bool>) {
            return set_text(name, value ? "true" : "false");
        } else if constexpr (std::is_floating_point_v<T>) {
            // Enough digits for the same number to come out.
            char text[64];
            std::snprintf(text, sizeof text, "%.9g", static_cast<double>(value));
            return set_text(name, text);
        } else if constexpr (std::is_arithmetic_v<T>) {
            return set_text(name, std::to_string(value));
        } else {
            return set_text(name, value);
        }
    }

    /// The text of one; empty where it is not set.
    std::string get(const std::string& name) const {
        return detail::text([&](char* to, std::size_t room, std::size_t* length) {
            return diffplan_options_get(get(), name.c_str(), to, room, length);
        });
    }

    diffplan_options* get() const noexcept { return handle_.get(); }

private:
    Options& set_text(const std::string& name, const std::string& value) {
        check(diffplan_options_set(get(), name.c_str(), value.c_str()));
        return *this;
    }
    detail::Handle<diffplan_options, diffplan_options_free> handle_;
};

/// A condition on a plan, which views its numbers: they must live until the call is over.
class Condition {
public:
    /// The whole observation at a step: a goal, a waypoint.
    static Condition observation(std::size_t time, Span<const float> values) {
        return Condition(time, values, nullptr, DIFFPLAN_PART_OBSERVATION);
    }
    /// The whole action at a step: one that is decided.
    static Condition action(std::size_t time, Span<const float> values) {
        return Condition(time, values, nullptr, DIFFPLAN_PART_ACTION);
    }
    /// Of these dimensions alone, as many as there are numbers.
    Condition& dims(Span<const std::size_t> dims) {
        if (dims.size() != raw_.len) throw std::invalid_argument("diffplan::Condition: as many dims as values are expected");
        raw_.dims = dims.data();
        return *this;
    }
    /// Pulled to by this share rather than imposed.
    Condition& soft(float strength) noexcept {
        raw_.strength = strength;
        return *this;
    }

private:
    friend class Planner;
    Condition(std::size_t time, Span<const float> values, const std::size_t* dims, std::int32_t part) noexcept
        : raw_{time, values.data(), dims, values.size(), part, 1.0F} {}
    diffplan_condition raw_;
};
static_assert(sizeof(Condition) == sizeof(diffplan_condition), "an array of one is an array of the other");

/// Makes plans, on threads of its own.
class Planner {
public:
    /// With the options of the checkpoint; `threads` of 0 for one a core.
    explicit Planner(const Pipeline& pipeline, std::size_t threads = 0) : Planner(pipeline, nullptr, threads) {}
    Planner(const Pipeline& pipeline, const Options& options, std::size_t threads = 0)
        : Planner(pipeline, options.get(), threads) {}

    /// A plan's first action.
    std::vector<float> plan(Span<const float> observation, Noise noise, Span<const Condition> conditions = {}) {
        std::vector<float> action(dimensions_.action_dim);
        check(try_plan(observation, noise, action, conditions));
        return action;
    }

    /// The same into the caller's memory; the status. Throws nothing, allocates nothing after the first time.
    Status try_plan(Span<const float> observation, Noise noise, Span<float> action,
                    Span<const Condition> conditions = {}) noexcept {
        return diffplan_planner_plan_conditioned(get(), observation.data(), observation.size(), raw(conditions),
                                                 conditions.size(), noise, action.data(), action.size());
    }

    /// From several observations at once, rows one after the other: as many actions.
    std::vector<float> plan_batch(Span<const float> observations, Span<const Noise> noises) {
        std::vector<float> actions(noises.size() * dimensions_.action_dim);
        check(diffplan_planner_plan_batch(get(), noises.size(), observations.data(), observations.size(), noises.data(),
                                          noises.size(), actions.data(), actions.size()));
        return actions;
    }

    /// Measures what plans cost, for what follows.
    void measure(double margin = 0.05, bool cheapest_anyway = false) {
        check(diffplan_planner_measure(get(), margin, cheapest_anyway));
    }

    /// The best plan within so many seconds into the caller's memory; the status: DIFFPLAN_STATUS_CANCELLED and DIFFPLAN_STATUS_DEADLINE are no surprise.
    /// Throws nothing, allocates nothing after the first time.
    Status try_plan_within(double seconds, Span<const float> observation, Noise noise, Span<float> action,
                           Timing* timing = nullptr, Span<const Condition> conditions = {}) noexcept {
        return diffplan_planner_plan_within(get(), observation.data(), observation.size(), raw(conditions),
                                            conditions.size(), noise, seconds, action.data(), action.size(), timing);
    }

    /// A sentence on the last plan within a deadline.
    std::string report() const {
        return detail::text([this](char* to, std::size_t room, std::size_t* length) {
            return diffplan_planner_report(get(), to, room, length);
        });
    }

    /// Calls off the plan in the making and all that follow, from any thread; until reset_cancel.
    void cancel() noexcept { diffplan_planner_cancel(get()); }
    void reset_cancel() noexcept { diffplan_planner_reset_cancel(get()); }

    /// Begins an episode: what was planned before is forgotten.
    void reset(std::uint64_t seed = 0) { check(diffplan_planner_reset(get(), seed)); }
    /// What the episode is to reach.
    void set_goal(Span<const std::size_t> dims, Span<const float> values) {
        if (dims.size() != values.size()) throw std::invalid_argument("diffplan::Planner::set_goal: as many dims as values are expected");
        check(diffplan_planner_set_goal(get(), dims.data(), values.data(), dims.size()));
    }
    /// The episode's next action.
    std::vector<float> act(Span<const float> observation) {
        std::vector<float> action(dimensions_.action_dim);
        check(diffplan_planner_act(get(), observation.data(), observation.size(), action.data(), action.size()));
        return action;
    }

    /// Of the last plan.
    PlanShape shape() const {
        PlanShape out{};
        check(diffplan_planner_plan_shape(get(), &out));
        return out;
    }
    /// All candidates, best first: candidates x horizon x channels.
    std::vector<float> trajectories(std::size_t query = 0) const {
        const PlanShape all = shape();
        std::vector<float> out(all.candidates * all.horizon * all.channels);
        check(diffplan_planner_trajectories(get(), query, out.data(), out.size()));
        return out;
    }
    /// Their values, highest first.
    std::vector<float> values(std::size_t query = 0) const {
        std::vector<float> out(shape().candidates);
        check(diffplan_planner_values(get(), query, out.data(), out.size()));
        return out;
    }
    /// The actions of the one that is acted on: horizon x action dimensions.
    std::vector<float> actions(std::size_t query = 0) const {
        const PlanShape all = shape();
        std::vector<float> out(all.horizon * all.action_dim);
        check(diffplan_planner_actions(get(), query, out.data(), out.size()));
        return out;
    }

    diffplan_planner* get() const noexcept { return handle_.get(); }

private:
    Planner(const Pipeline& pipeline, const diffplan_options* options, std::size_t threads)
        : dimensions_(pipeline.dimensions()) {
        diffplan_planner* out = nullptr;
        check(diffplan_planner_new(pipeline.get(), options, threads, &out));
        handle_.reset(out);
    }
    /// A Condition is its diffplan_condition and nothing else.
    static const diffplan_condition* raw(Span<const Condition> conditions) noexcept {
        return conditions.empty() ? nullptr : &conditions.data()->raw_;
    }
    Dimensions dimensions_;
    detail::Handle<diffplan_planner, diffplan_planner_free> handle_;
};

static_assert(std::is_nothrow_move_constructible_v<Planner> && !std::is_copy_constructible_v<Planner>, "moved, not copied");

} // namespace diffplan

#endif // DIFFPLAN_HPP
