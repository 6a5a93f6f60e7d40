// A control loop at 20 Hz in C++17: every 50 ms an observation, the best plan that there is time for, its first action. Another thread calls it off.
//
//     control_loop_cpp CHECKPOINT [STEPS [CANDIDATES]]

#include "pendulum.h"

#include <diffplan.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <thread>

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

namespace {

/// Steps until it is cancelled; what came of them.
struct Loop {
    int made = 0, late = 0;
    double slowest = 0.0, sum = 0.0;
    Clock::time_point began, ended;
    diffplan::Status status = DIFFPLAN_STATUS_OK;
};

Loop run(diffplan::Planner& planner) {
    constexpr auto period = 50ms;
    pendulum plant{3.0, 0.0};
    std::array<float, 3> observation{};
    std::array<float, 1> torque{};
    Loop loop;
    auto next = Clock::now();
    for (std::uint64_t step = 0;; ++step) {
        next += period;
        pendulum_observe(&plant, observation.data());
        diffplan::Timing timing;
        // The rest of the period is for the action's way to the motor.
        loop.began = Clock::now();
        loop.status = planner.try_plan_within(0.04, observation, diffplan::seed(step), torque, &timing);
        if (loop.status != DIFFPLAN_STATUS_OK) break;
        pendulum_step(&plant, torque[0]);
        ++loop.made;
        loop.late += timing.late;
        loop.sum += timing.seconds;
        loop.slowest = std::max(loop.slowest, timing.seconds);
        std::this_thread::sleep_until(next);
    }
    loop.ended = Clock::now();
    return loop;
}

int control(const std::string& checkpoint, int steps, int candidates) {
    diffplan::set_log([](diffplan_level, std::string_view message) { std::cerr << message << '\n'; }, DIFFPLAN_LEVEL_WARNING);
    const auto pipeline = diffplan::Pipeline::open(checkpoint);
    diffplan::Planner planner(pipeline, diffplan::Options(pipeline).set("batch_size", candidates), 1);
    // A slow spell is no reason to stop: the cheapest plan is made, late.
    planner.measure(0.05, true);

    Clock::time_point cancelled;
    std::thread supervisor([&] {
        std::this_thread::sleep_for(50ms * steps + 5ms);
        cancelled = Clock::now();
        planner.cancel();
    });
    const Loop loop = run(planner);
    supervisor.join();
    if (loop.status != DIFFPLAN_STATUS_CANCELLED) diffplan::check(loop.status);
    std::printf("%d plans at 20 Hz: %.2f ms each, %.2f ms the slowest, %d of them late\n", loop.made, 1e3 * loop.sum / loop.made, 1e3 * loop.slowest,
                loop.late);
    std::printf("the last: %s\n", planner.report().c_str());
    // Between two plans there is nothing to end.
    const auto since = std::max(cancelled, loop.began);
    std::printf("cancelled, and over %.3f ms later\n", std::chrono::duration<double, std::milli>(loop.ended - since).count());

    planner.reset_cancel();
    const std::array<float, 3> observation{-1.0F, 0.0F, 0.5F};
    const auto action = planner.plan(observation, diffplan::seed(7));
    const auto values = planner.values();
    const auto trajectories = planner.trajectories();
    // A plan that is to be upright at its end.
    const std::array<float, 2> upright{1.0F, 0.0F};
    const std::array<std::size_t, 2> dims{0, 2};
    const std::array<diffplan::Condition, 1> goal{diffplan::Condition::observation(31, upright).dims(dims)};
    const auto led = planner.plan(observation, diffplan::seed(7), goal);
    const auto all = planner.trajectories();
    const float end = all[31 * planner.shape().channels + planner.shape().action_dim];
    std::printf("torque %.3f of value %.3f; to a goal %.3f, where it ends at cos %.3f\n", action[0], values[0], led[0], end);
    try {
        planner.plan(diffplan::Span<const float>(observation.data(), 2), diffplan::seed(0));
    } catch (const diffplan::Error& error) {
        std::printf("two of three dimensions: %s\n", error.what());
        return loop.made > 0 && trajectories[0] == action[0] && std::abs(end - 1.0F) < 1e-4F ? 0 : 1;
    }
    return 1;
}

} // namespace

int main(int count, char** arguments) {
    if (count < 2) {
        std::cerr << "usage: " << arguments[0] << " CHECKPOINT [STEPS [CANDIDATES]]\n";
        return 2;
    }
    try {
        return control(arguments[1], count > 2 ? std::atoi(arguments[2]) : 60, count > 3 ? std::atoi(arguments[3]) : 16);
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
