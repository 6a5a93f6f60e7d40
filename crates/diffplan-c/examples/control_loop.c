/* A control loop at 20 Hz: every 50 ms an observation, the best plan that there is time for, its first action. Another thread calls it off.
 *
 *     control_loop CHECKPOINT [STEPS [CANDIDATES]]
 *
 * STEPS is how many steps until the other thread cancels, 60 (3 s) by default; CANDIDATES how many futures a plan is chosen of, 16 by default. Says how late the loop was, and how fast the cancel was.
 */

#define _POSIX_C_SOURCE 200809L /* clock_nanosleep */

#include "pendulum.h"

#include <diffplan.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PERIOD 0.05 /* s */
#define BUDGET 0.04 /* s, of which the rest is for the action's way to the motor */

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void sleep_until(double when) {
    struct timespec time = {.tv_sec = (time_t)when, .tv_nsec = (long)((when - (double)(time_t)when) * 1e9)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR) {
    }
}

/* What went wrong, where it should not. */
static void check(diffplan_status status, const char *what) {
    if (status != DIFFPLAN_STATUS_OK) {
        fprintf(stderr, "%s: %s: %s\n", what, diffplan_status_name(status), diffplan_last_error());
        exit(1);
    }
}

static void listen(int32_t level, const char *message, void *user) {
    fprintf((FILE *)user, "%s%s\n", level == DIFFPLAN_LEVEL_WARNING ? "warning: " : "", message);
}

struct supervisor {
    diffplan_planner *planner;
    double after;              /* s */
    _Atomic double cancelled;  /* when */
};

/* Cancels from another thread, while a plan is being made or between two. */
static void *supervise(void *argument) {
    struct supervisor *self = argument;
    sleep_until(self->after);
    atomic_store(&self->cancelled, now());
    check(diffplan_planner_cancel(self->planner), "cancel");
    return NULL;
}

int main(int count, char **arguments) {
    if (count < 2) {
        fprintf(stderr, "usage: %s CHECKPOINT [STEPS [CANDIDATES]]\n", arguments[0]);
        return 2;
    }
    const int steps = count > 2 ? atoi(arguments[2]) : 60;
    check(diffplan_check_abi(DIFFPLAN_ABI_VERSION), "diffplan.h");
    check(diffplan_set_log(DIFFPLAN_LEVEL_WARNING, listen, stderr), "log");

    diffplan_pipeline *pipeline = NULL;
    diffplan_options *options = NULL;
    diffplan_planner *planner = NULL;
    check(diffplan_pipeline_open(arguments[1], &pipeline), "open");
    check(diffplan_options_new(pipeline, &options), "options");
    check(diffplan_options_set(options, "batch_size", count > 3 ? arguments[3] : "16"), "options");
    check(diffplan_planner_new(pipeline, options, 1, &planner), "planner");
    diffplan_options_free(options);
    diffplan_pipeline_free(pipeline);
    /* A slow spell is no reason to stop: the cheapest plan is made, late. */
    check(diffplan_planner_measure(planner, 0.05, 1), "measure");

    struct pendulum plant = {.angle = 3.0, .speed = 0.0};
    float observation[3], torque[1];
    double worst = 0.0, sum = 0.0, upright = 0.0;
    int made = 0, late = 0, early = 0;
    diffplan_status status = DIFFPLAN_STATUS_OK;
    double next = now(), began = next;
    struct supervisor supervisor = {.planner = planner, .after = next + PERIOD * steps + 0.005};
    pthread_t thread;
    if (pthread_create(&thread, NULL, supervise, &supervisor) != 0) {
        fprintf(stderr, "no thread to be had\n");
        return 1;
    }
    for (uint64_t step = 0;; step++) {
        next += PERIOD;
        pendulum_observe(&plant, observation);
        diffplan_timing timing;
        began = now();
        status = diffplan_planner_plan_within(planner, observation, 3, NULL, 0, diffplan_seed(step), BUDGET, torque, 1, &timing);
        if (status != DIFFPLAN_STATUS_OK) break;
        pendulum_step(&plant, torque[0]);
        made++;
        late += timing.late;
        early += timing.ended == DIFFPLAN_ENDED_EARLY;
        sum += timing.seconds;
        worst = timing.seconds > worst ? timing.seconds : worst;
        upright += cos(plant.angle);
        sleep_until(next);
    }
    const double ended = now();
    pthread_join(thread, NULL);
    if (status != DIFFPLAN_STATUS_CANCELLED) check(status, "plan");

    char report[256];
    check(diffplan_planner_report(planner, report, sizeof report, NULL), "report");
    printf("%d plans at 20 Hz: %.2f ms each, %.2f ms the slowest, %d of them late, %d early answers\n", made, 1e3 * sum / made, 1e3 * worst, late, early);
    printf("the last: %s\n", report);
    /* Between two plans there is nothing to end. */
    const double cancelled = atomic_load(&supervisor.cancelled);
    printf("cancelled %s, and over %.3f ms later\n", cancelled < began ? "between two plans" : "during a plan",
           1e3 * (ended - (cancelled < began ? began : cancelled)));

    /* Again, from noise that is known: the same action every time, and its candidates in buffers of ours. */
    check(diffplan_planner_reset_cancel(planner), "reset_cancel");
    float again[1];
    check(diffplan_planner_plan(planner, observation, 3, diffplan_seed(7), torque, 1), "plan");
    check(diffplan_planner_plan(planner, observation, 3, diffplan_seed(7), again, 1), "plan");
    diffplan_plan_shape shape;
    check(diffplan_planner_plan_shape(planner, &shape), "shape");
    const size_t length = shape.candidates * shape.horizon * shape.channels;
    float *trajectories = malloc(length * sizeof *trajectories);
    float *values = malloc(shape.candidates * sizeof *values);
    if (trajectories == NULL || values == NULL) return 1;
    check(diffplan_planner_trajectories(planner, 0, trajectories, length), "trajectories");
    check(diffplan_planner_values(planner, 0, values, shape.candidates), "values");
    printf("%zu candidates of %zu steps, values from %.3f to %.3f, torque %.3f\n", shape.candidates, shape.horizon, values[0],
           values[shape.candidates - 1], torque[0]);
    const int same = torque[0] == again[0] && trajectories[0] == torque[0];
    free(trajectories);
    free(values);
    diffplan_planner_free(planner);
    if (!same) fprintf(stderr, "the same noise gave another plan\n");
    return same && made > 0 ? 0 : 1;
}
