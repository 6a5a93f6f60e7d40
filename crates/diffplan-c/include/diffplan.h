/*
 * diffplan: planning by diffusion, from C.
 *
 * Made by cbindgen from crates/diffplan-c/src. Do not edit.
 *
 * RULES THAT HOLD EVERYWHERE
 *
 * Results. Functions that can fail return a diffplan_status, DIFFPLAN_STATUS_OK (0) if all went well. diffplan_last_error() then has the text of what
 * went wrong, where, and what to do: of the last failure of the calling thread. What a function writes to is as it was where it fails, unless it says
 * otherwise. No panic and no exception crosses: a fault of the library is DIFFPLAN_STATUS_INTERNAL.
 *
 * Numbers. Observations, actions and trajectories are float, in the environment's units (rad, m, N m, ... as the checkpoint was trained), rows one after
 * the other. NaN and infinity are refused. Times in seconds are double.
 *
 * Sizes. Every buffer comes with the number of its elements, which must be exactly the one expected (texts: at least); any other is
 * DIFFPLAN_STATUS_SIZE with the number that was expected, before anything is read, written or planned. A pointer may be NULL only where it is said to be.
 * A pointer must be aligned for its type, and valid for as many elements as are said.
 *
 * Texts are UTF-8 with a NUL at the end. Texts that come out are valid until what they are of is freed or changed, as is said with each.
 *
 * Ownership. What a function gives by `out` is the caller's, who frees it once by the function that is named with it. Nothing else is to be freed. Handles
 * keep no pointer to the caller's memory after a call, but for the log's `user`.
 *
 * Threads. Every function may be called from any thread. A diffplan_pipeline may be used by any number of threads at once. A diffplan_planner makes one plan
 * at a time: while one thread is in a call with it, others get DIFFPLAN_STATUS_BUSY, but for diffplan_planner_cancel and diffplan_planner_reset_cancel,
 * which are for other threads. Several planners of one pipeline plan at the same time. A diffplan_options is for one thread at a time. No handle may be freed
 * while another thread is in a call with it. After fork() only the parent may go on to use planners.
 *
 * Memory. The first plan of a planner takes what all later ones of the same kind and size need; they allocate nothing (diffplan_planner_act and failures
 * excepted).
 */


#ifndef DIFFPLAN_H
#define DIFFPLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__cplusplus) && __cplusplus < 201103L
#error "diffplan.h needs C++11 or newer"
#endif

/**
 * The version of the ABI that this header describes: it changes when a program that was compiled before must be compiled anew. The shared library's name
 * ends with it (libdiffplan.so.1).
 */
#define DIFFPLAN_ABI_VERSION 1

/**
 * What came of a call. Numbers keep their meaning; later versions may have more.
 */
enum diffplan_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * All went well.
   */
  DIFFPLAN_STATUS_OK = 0,
  /**
   * A pointer is NULL where none may be.
   */
  DIFFPLAN_STATUS_NULL = 1,
  /**
   * A text is not UTF-8.
   */
  DIFFPLAN_STATUS_TEXT = 2,
  /**
   * A buffer has another number of elements than expected; of texts, too few.
   */
  DIFFPLAN_STATUS_SIZE = 3,
  /**
   * A number is none that is expected there: of a part, of noise, of seconds, of threads, or a pointer that is not aligned.
   */
  DIFFPLAN_STATUS_VALUE = 4,
  /**
   * An option of an unknown name, or with a value that makes no plan.
   */
  DIFFPLAN_STATUS_OPTION = 5,
  /**
   * A file is not there, or cannot be read.
   */
  DIFFPLAN_STATUS_FILE = 6,
  /**
   * A checkpoint lacks something, is damaged, or makes no plan.
   */
  DIFFPLAN_STATUS_CHECKPOINT = 7,
  /**
   * An observation, a goal or another condition that cannot be imposed: NaN, out of range, twice the same, beyond the horizon.
   */
  DIFFPLAN_STATUS_CONDITION = 8,
  /**
   * Numbers of a plan are no longer finite.
   */
  DIFFPLAN_STATUS_DIVERGED = 9,
  /**
   * Not even the cheapest plan is to be expected within the time given; none was begun.
   */
  DIFFPLAN_STATUS_DEADLINE = 10,
  /**
   * The plan was cancelled.
   */
  DIFFPLAN_STATUS_CANCELLED = 11,
  /**
   * Another thread is in a call with the planner.
   */
  DIFFPLAN_STATUS_BUSY = 12,
  /**
   * There is no plan to tell of: none was made yet, or the last one failed.
   */
  DIFFPLAN_STATUS_NO_PLAN = 13,
  /**
   * There is no episode to act in: diffplan_planner_reset begins one.
   */
  DIFFPLAN_STATUS_NO_EPISODE = 14,
  /**
   * Threads cannot be had.
   */
  DIFFPLAN_STATUS_THREADS = 15,
  /**
   * The planner was made by another process: after fork() it is its parent's.
   */
  DIFFPLAN_STATUS_FORKED = 16,
  /**
   * The program was compiled for another ABI version.
   */
  DIFFPLAN_STATUS_ABI = 17,
  /**
   * A fault of diffplan, please report it. The planner in which it occurred refuses everything but to be freed.
   */
  DIFFPLAN_STATUS_INTERNAL = 18,
  /**
   * Anything else that the text tells.
   */
  DIFFPLAN_STATUS_OTHER = 19,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum diffplan_status diffplan_status;
#else
typedef int32_t diffplan_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How much a message matters.
 */
enum diffplan_level
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * What was done: deadlines of plans, as they were kept.
   */
  DIFFPLAN_LEVEL_DEBUG = 0,
  /**
   * What is good to know: notes on a checkpoint, what plans were measured to cost.
   */
  DIFFPLAN_LEVEL_INFO = 1,
  /**
   * What is almost surely wrong, with the remedy: findings of `diffplan inspect`, observations far from all that was trained on, plans that were late.
   */
  DIFFPLAN_LEVEL_WARNING = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum diffplan_level diffplan_level;
#else
typedef int32_t diffplan_level;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What a condition is imposed on.
 */
enum diffplan_part
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * The observation at its time.
   */
  DIFFPLAN_PART_OBSERVATION = 0,
  /**
   * The action at its time.
   */
  DIFFPLAN_PART_ACTION = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum diffplan_part diffplan_part;
#else
typedef int32_t diffplan_part;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How a plan within a deadline came to its end.
 */
enum diffplan_ended
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * All steps of the denoising were made.
   */
  DIFFPLAN_ENDED_WHOLE = 0,
  /**
   * The next step would not have been in time: the plan is what the last one predicted.
   */
  DIFFPLAN_ENDED_EARLY = 1,
  /**
   * It was cancelled.
   */
  DIFFPLAN_ENDED_CANCELLED = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum diffplan_ended diffplan_ended;
#else
typedef int32_t diffplan_ended;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Planning options, all of them: those of a checkpoint, with others in place of some.
 */
typedef struct diffplan_options diffplan_options;

/**
 * A checkpoint, opened: networks, scheduler, statistics. Immutable; used by any number of threads and planners, which keep what they need of it, so it may be
 * freed before they are.
 */
typedef struct diffplan_pipeline diffplan_pipeline;

/**
 * Makes plans with one set of options, on threads of its own: buffers are in place from the first plan on. One plan at a time.
 */
typedef struct diffplan_planner diffplan_planner;

/**
 * What is called with a message: its level (a diffplan_level), its text, valid during the call alone, and the pointer that it was set with. It is called on the
 * thread that called diffplan, by several at once if there are several, before their call returns. It must return (no exception, no longjmp), and may
 * call anything of diffplan.
 */
typedef void (*diffplan_log_function)(int32_t level, const char *message, void *user);

/**
 * Where the randomness of one plan comes from: made by diffplan_seed or diffplan_torch_seed, and copied like a number. The same noise, the same plan, to the
 * bit, on any number of threads.
 */
typedef struct diffplan_noise {
  /**
   * The seed.
   */
  uint64_t seed;
  /**
   * 0 for diffplan's generator, 1 for torch's. Nothing else is one.
   */
  uint32_t kind;
  /**
   * 0.
   */
  uint32_t reserved;
} diffplan_noise;

/**
 * Of what a pipeline plans.
 */
typedef struct diffplan_dimensions {
  /**
   * Dimensions of an observation.
   */
  size_t observation_dim;
  /**
   * Dimensions of an action.
   */
  size_t action_dim;
  /**
   * 1 where a value function or another guide values plans, 0 where nothing does.
   */
  int32_t has_values;
  /**
   * 1 where the network was trained with goals, so that every plan needs one: an observation imposed on its last step.
   */
  int32_t needs_goal;
} diffplan_dimensions;

/**
 * Numbers imposed on a plan at one of its steps, in the environment's units: a goal, a waypoint, an action that is decided.
 */
typedef struct diffplan_condition {
  /**
   * The step of the plan, from 0 (now) to below planning_horizon.
   */
  size_t time;
  /**
   * `len` numbers.
   */
  const float *values;
  /**
   * The dimension of each; NULL for all in order, and `len` is then their number.
   */
  const size_t *dims;
  /**
   * How many numbers.
   */
  size_t len;
  /**
   * A diffplan_part.
   */
  int32_t part;
  /**
   * 1 imposes them; less, but more than 0, pulls the predicted plan that share of the way at every step of the denoising.
   */
  float strength;
} diffplan_condition;

/**
 * What a plan within a deadline took.
 */
typedef struct diffplan_timing {
  /**
   * Seconds from the call to the plan.
   */
  double seconds;
  /**
   * Seconds that there were.
   */
  double budget;
  /**
   * The settings that it was made with: 0 for what the options say, then cheaper ones.
   */
  size_t rung;
  /**
   * How many there are.
   */
  size_t rungs;
  /**
   * Candidates it was chosen of.
   */
  size_t candidates;
  /**
   * Steps of the denoising that were made.
   */
  size_t visits;
  /**
   * Of so many of these settings.
   */
  size_t of_visits;
  /**
   * A diffplan_ended.
   */
  int32_t ended;
  /**
   * 1 where it ended after the deadline, else 0.
   */
  int32_t late;
} diffplan_timing;

/**
 * What the last plan consists of, for buffers.
 */
typedef struct diffplan_plan_shape {
  /**
   * Plans that the last call made: observations of a batch, else 1.
   */
  size_t queries;
  /**
   * Candidates of each: batch_size, within a deadline maybe fewer.
   */
  size_t candidates;
  /**
   * Steps of each: planning_horizon.
   */
  size_t horizon;
  /**
   * Numbers of a step: actions, then observations.
   */
  size_t channels;
  /**
   * Dimensions of an action, which come first in a step.
   */
  size_t action_dim;
  /**
   * Dimensions of an observation.
   */
  size_t observation_dim;
  /**
   * 1 where candidates were valued, 0 where nothing valued them.
   */
  int32_t has_values;
  /**
   * 0.
   */
  int32_t reserved;
} diffplan_plan_shape;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The name of a status, in a few words; `unknown status` for a number that is none. Valid for ever. Takes the number, so that any may be asked for.
 */
const char *diffplan_status_name(int32_t status);

/**
 * The version of the library, such as "0.1.0". Valid for ever.
 */
const char *diffplan_version(void);

/**
 * The version of the ABI of the library that is linked: DIFFPLAN_ABI_VERSION when it was compiled.
 */
uint32_t diffplan_abi_version(void);

/**
 * Checks that the library has the ABI that a program was compiled for: to be called once with DIFFPLAN_ABI_VERSION before anything else.
 * DIFFPLAN_STATUS_ABI where it has not, and nothing else may be called then.
 */
diffplan_status diffplan_check_abi(uint32_t compiled_for);

/**
 * What the last failure of the calling thread was: what was wrong, where, and what to do, a sentence or two. Empty before the first one; calls that
 * go well leave it as it is. Valid until another call of the same thread fails, or the thread ends. Never NULL.
 */
const char *diffplan_last_error(void);

/**
 * Sets what is called with messages of `least_level` (a diffplan_level) and above, for the whole process; NULL for nothing, as it is at first. `user` is handed to
 * it as it is. A call that is under way on another thread while this returns may still say something by what was set before. What is set is
 * used from every thread that calls diffplan.
 */
diffplan_status diffplan_set_log(int32_t least_level,
                                 diffplan_log_function function,
                                 void *user);

/**
 * Noise of diffplan's own generator (ChaCha of 8 rounds): the same on every machine. `diffplan plan --seed`, `seed=` in Python, RngNoise::seed in Rust. A
 * control loop seeds each plan anew, for example with the number of the step.
 */
struct diffplan_noise diffplan_seed(uint64_t seed);

/**
 * What torch draws on the CPU after torch.manual_seed(seed), value for value: a plan by diffusers' ValueGuidedRLPipeline from that seed. A negative seed is its two's
 * complement, as in torch; the low 32 bits count.
 */
struct diffplan_noise diffplan_torch_seed(uint64_t seed);

/**
 * Opens the checkpoint at `path`: a folder in the layout of diffusers with normalizer.json, of today's or older releases (`diffplan convert` makes one of other
 * projects' files, `diffplan normalizer` the statistics). What is odd or almost surely wrong with a checkpoint goes to the log and to diffplan_pipeline_note. `*out` is
 * freed by diffplan_pipeline_free.
 *
 * DIFFPLAN_STATUS_FILE, DIFFPLAN_STATUS_CHECKPOINT.
 */
diffplan_status diffplan_pipeline_open(const char *path,
                                       struct diffplan_pipeline **out);

/**
 * Frees a pipeline; NULL is nothing to free. Planners that were made of it stay as they are.
 */
void diffplan_pipeline_free(struct diffplan_pipeline *pipeline);

/**
 * Writes the dimensions of observations and actions.
 */
diffplan_status diffplan_pipeline_dimensions(const struct diffplan_pipeline *pipeline, struct diffplan_dimensions *out);

/**
 * Writes the id of the environment that the checkpoint says it was trained for, such as Pendulum-v1; empty where it does not say. `length`, which may be NULL,
 * becomes the number of bytes without the NUL; with a `buffer` of NULL and a `capacity` of 0 nothing else is written.
 */
diffplan_status diffplan_pipeline_environment(const struct diffplan_pipeline *pipeline,
                                              char *buffer,
                                              size_t capacity,
                                              size_t *length);

/**
 * Writes how many notes there are on the checkpoint.
 */
diffplan_status diffplan_pipeline_note_count(const struct diffplan_pipeline *pipeline, size_t *out);

/**
 * Gives note `index` on the checkpoint, from 0: what was odd and harmless in its files, then what is legal but almost surely wrong, with the
 * remedy. Valid until the pipeline is freed.
 */
diffplan_status diffplan_pipeline_note(const struct diffplan_pipeline *pipeline,
                                       size_t index,
                                       const char **out);

/**
 * The options that the checkpoint itself says, over the defaults of diffusers' call. `*out` is freed by diffplan_options_free.
 */
diffplan_status diffplan_options_new(const struct diffplan_pipeline *pipeline,
                                     struct diffplan_options **out);

/**
 * Frees options; NULL is nothing to free.
 */
void diffplan_options_free(struct diffplan_options *options);

/**
 * Sets the option `name` to what `value` says: numbers as "8", "0.5", "1e-2", switches as "true" and "false", names as they are. Options are those of
 * planning_config.json and of every other front end: batch_size (candidates), planning_horizon, n_guide_steps, scale, num_inference_steps, scheduler, ...;
 * diffplan_option_name lists them all, diffplan_option_help says what each is and takes.
 *
 * DIFFPLAN_STATUS_OPTION for a name that there is none of, with the nearest, and for a value that it does not take. What makes no plan together with others, or with
 * the network, diffplan_planner_new tells.
 */
diffplan_status diffplan_options_set(struct diffplan_options *options,
                                     const char *name,
                                     const char *value);

/**
 * Writes the value of the option `name` as diffplan_options_set takes it; empty where it is not set, as num_inference_steps at first. `length`, which may be NULL,
 * becomes the number of bytes without the NUL; with a `buffer` of NULL and a `capacity` of 0 nothing else is written. DIFFPLAN_STATUS_SIZE where the
 * text was cut off.
 */
diffplan_status diffplan_options_get(const struct diffplan_options *options,
                                     const char *name,
                                     char *buffer,
                                     size_t capacity,
                                     size_t *length);

/**
 * How many options there are.
 */
size_t diffplan_option_count(void);

/**
 * Writes the name of option `index`, from 0. `length` as for diffplan_options_get.
 */
diffplan_status diffplan_option_name(size_t index, char *buffer, size_t capacity, size_t *length);

/**
 * Writes what the option `name` is and what it takes, a sentence. `length` as for diffplan_options_get.
 */
diffplan_status diffplan_option_help(const char *name, char *buffer, size_t capacity, size_t *length);

/**
 * Makes a planner of a pipeline with these options, NULL for those of the checkpoint, on so many threads of its own, 0 for one a core (or RAYON_NUM_THREADS).
 * On a machine that does anything else, a thread less than there are cores is best. Plans have the same bits on any number. `*out` is freed by
 * diffplan_planner_free; the pipeline and the options may be freed or changed before that.
 *
 * DIFFPLAN_STATUS_OPTION, DIFFPLAN_STATUS_THREADS.
 */
diffplan_status diffplan_planner_new(const struct diffplan_pipeline *pipeline,
                                     const struct diffplan_options *options,
                                     size_t threads,
                                     struct diffplan_planner **out);

/**
 * Frees a planner and waits until its threads have ended; NULL is nothing to free. No thread may be in a call with it.
 */
void diffplan_planner_free(struct diffplan_planner *planner);

/**
 * Plans from `observation` (`observation_len` numbers, the observation dimensions) and writes what to do now to `action` (`action_len` numbers, the
 * action dimensions): the first action of the best candidate. The plan itself stays to be asked for until the next call with the planner.
 *
 * DIFFPLAN_STATUS_CONDITION, DIFFPLAN_STATUS_DIVERGED, DIFFPLAN_STATUS_CANCELLED.
 */
diffplan_status diffplan_planner_plan(struct diffplan_planner *planner,
                                      const float *observation,
                                      size_t observation_len,
                                      struct diffplan_noise noise,
                                      float *action,
                                      size_t action_len);

/**
 * Plans as diffplan_planner_plan, under `condition_count` conditions beside the observation, which is one at time 0: goals, waypoints, actions that
 * are decided. Without an observation (NULL and 0) conditions alone say where the plan begins. No number may be imposed twice.
 *
 * DIFFPLAN_STATUS_CONDITION also where a checkpoint that was trained with goals is given none.
 */
diffplan_status diffplan_planner_plan_conditioned(struct diffplan_planner *planner,
                                                  const float *observation,
                                                  size_t observation_len,
                                                  const struct diffplan_condition *conditions,
                                                  size_t condition_count,
                                                  struct diffplan_noise noise,
                                                  float *action,
                                                  size_t action_len);

/**
 * Plans from `count` observations at once, which is faster than one after the other: each has the bits that it would have alone. `observations` are `count` rows
 * (`observations_len` numbers in all), `noises` one each, `actions` `count` rows (`actions_len` numbers in all).
 */
diffplan_status diffplan_planner_plan_batch(struct diffplan_planner *planner,
                                            size_t count,
                                            const float *observations,
                                            size_t observations_len,
                                            const struct diffplan_noise *noises,
                                            size_t noises_len,
                                            float *actions,
                                            size_t actions_len);

/**
 * Measures what plans cost, for diffplan_planner_plan_within, which otherwise does it at its first call: a ladder of settings, from what the options say down to one
 * candidate in one step, some plans of each. Takes a few times as long as one plan as wanted. `margin` is the share of a budget that is to be left over,
 * from 0 to below 1 (0.05 by default); `cheapest_anyway` other than 0 answers a budget in which nothing fits with the cheapest plan, late, in place of
 * DIFFPLAN_STATUS_DEADLINE. The ladder goes to the log.
 */
diffplan_status diffplan_planner_measure(struct diffplan_planner *planner,
                                         double margin,
                                         int32_t cheapest_anyway);

/**
 * The best plan that is made within `budget` seconds from the call: candidates, steps and guidance are chosen by what they cost here and now, the clock is looked
 * at before every step of the denoising, and a plan that will not be done in time is answered as it is foreseen by then. Otherwise as
 * diffplan_planner_plan_conditioned (without conditions: NULL and 0). `timing`, which may be NULL, says how it went, also of a plan that was cancelled. With a
 * deadline the same noise does not promise the same plan.
 *
 * The first call measures first, unless diffplan_planner_measure did, and its budget counts from then on.
 *
 * DIFFPLAN_STATUS_DEADLINE, before anything is begun, where not even the cheapest plan is to be expected in time: the text says what is.
 */
diffplan_status diffplan_planner_plan_within(struct diffplan_planner *planner,
                                             const float *observation,
                                             size_t observation_len,
                                             const struct diffplan_condition *conditions,
                                             size_t condition_count,
                                             struct diffplan_noise noise,
                                             double budget,
                                             float *action,
                                             size_t action_len,
                                             struct diffplan_timing *timing);

/**
 * Writes a sentence on the last plan within a deadline: what it was made with, what that gave up, how long it took. `length` as for diffplan_options_get.
 *
 * DIFFPLAN_STATUS_NO_PLAN where there was none.
 */
diffplan_status diffplan_planner_report(const struct diffplan_planner *planner,
                                        char *buffer,
                                        size_t capacity,
                                        size_t *length);

/**
 * Calls off the plan that another thread is making, which ends with DIFFPLAN_STATUS_CANCELLED before its next step of the denoising, and every plan that is asked for
 * from then on, until diffplan_planner_reset_cancel. From any thread, or a signal handler: it sets a flag and waits for nothing.
 */
diffplan_status diffplan_planner_cancel(struct diffplan_planner *planner);

/**
 * Lets plans be made again after diffplan_planner_cancel.
 */
diffplan_status diffplan_planner_reset_cancel(struct diffplan_planner *planner);

/**
 * Begins an episode: what the last one planned is forgotten (warm starts, actions still to be done, its goal), and the randomness of its plans comes from `seed`, of
 * diffplan's generator. For diffplan_planner_act; diffplan_planner_plan remembers nothing anyway.
 */
diffplan_status diffplan_planner_reset(struct diffplan_planner *planner,
                                       uint64_t seed);

/**
 * Tells the episode its goal, of a checkpoint that was trained with goals: `len` dimensions of the observation and what they are to become; the others are to
 * become 0. A `len` of 0 takes the goal away. The next action comes from a plan to it.
 *
 * DIFFPLAN_STATUS_NO_EPISODE; DIFFPLAN_STATUS_OPTION where the checkpoint was not trained with goals; DIFFPLAN_STATUS_CONDITION for a goal that is none.
 */
diffplan_status diffplan_planner_set_goal(struct diffplan_planner *planner,
                                          const size_t *dims,
                                          const float *values,
                                          size_t len);

/**
 * The next action of the episode at `observation`, as the options say what is done of plans one after another (docs/receding-horizon.md): a new plan at every step, or at every
 * `n_action_steps`, from noise or from the last plan (`warm_start`), held by it (`prefix`), a few steps late (`observation_delay`), its actions or its states
 * followed (`follow`). Actions are not clipped. Allocates; otherwise as diffplan_planner_plan.
 *
 * DIFFPLAN_STATUS_NO_EPISODE where none has begun.
 */
diffplan_status diffplan_planner_act(struct diffplan_planner *planner,
                                     const float *observation,
                                     size_t observation_len,
                                     float *action,
                                     size_t action_len);

/**
 * Writes what the last plan consists of.
 *
 * DIFFPLAN_STATUS_NO_PLAN where there is none.
 */
diffplan_status diffplan_planner_plan_shape(const struct diffplan_planner *planner, struct diffplan_plan_shape *out);

/**
 * Writes all candidates of plan `query` (0 but in batches), best first, in the environment's units: candidates x horizon x channels numbers, `out_len` in
 * all, each step an action and then an observation.
 */
diffplan_status diffplan_planner_trajectories(const struct diffplan_planner *planner,
                                              size_t query,
                                              float *out,
                                              size_t out_len);

/**
 * Writes the values of all candidates of plan `query`, highest first: `out_len` numbers, the candidates. They are those of the value function, normalised
 * as it was trained.
 *
 * DIFFPLAN_STATUS_NO_PLAN where nothing valued them.
 */
diffplan_status diffplan_planner_values(const struct diffplan_planner *planner,
                                        size_t query,
                                        float *out,
                                        size_t out_len);

/**
 * Writes which candidate of plan `query` is acted on: its place in diffplan_planner_trajectories, 0 where they were valued.
 */
diffplan_status diffplan_planner_chosen(const struct diffplan_planner *planner,
                                        size_t query,
                                        size_t *out);

/**
 * Writes the actions of the candidate of plan `query` that is acted on, one a step: horizon x action dimensions numbers, `out_len` in all. The
 * first is what to do now.
 */
diffplan_status diffplan_planner_actions(const struct diffplan_planner *planner,
                                         size_t query,
                                         float *out,
                                         size_t out_len);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* DIFFPLAN_H */
