/* What only a C program can do: count every allocation of the process from outside of the library, fork, cancel in a signal handler. Run by .ci/c, with the folder
 * of a checkpoint.
 *
 * Allocations are counted by putting malloc and its like in front of those of the C library, for this program alone.
 */

#define _GNU_SOURCE 1 /* RTLD_NEXT */

#include <diffplan.h>
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static atomic_size_t touched;
static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void *(*real_aligned_alloc)(size_t, size_t);
static int (*real_posix_memalign)(void **, size_t, size_t);
static void (*real_free)(void *);

/* A function of the C library's, as a pointer of its own type. */
static void find(void *to, const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    memcpy(to, &found, sizeof found);
}

/* dlsym itself may ask for memory before there is any. */
static _Alignas(16) char early[8192];
static size_t early_used;

static void *from_early(size_t size) {
    size_t at = early_used;
    early_used += (size + 15) / 16 * 16;
    return early_used <= sizeof early ? early + at : NULL;
}

static int is_early(const void *pointer) { return (const char *)pointer >= early && (const char *)pointer < early + sizeof early; }

static void resolve(void) {
    static int resolving;
    if (resolving) return;
    resolving = 1;
    find(&real_calloc, "calloc");
    find(&real_realloc, "realloc");
    find(&real_aligned_alloc, "aligned_alloc");
    find(&real_posix_memalign, "posix_memalign");
    find(&real_free, "free");
    find(&real_malloc, "malloc");
}

void *malloc(size_t size) {
    if (!real_malloc) resolve();
    touched++;
    return real_malloc ? real_malloc(size) : from_early(size);
}
void *calloc(size_t count, size_t size) {
    if (!real_malloc) resolve();
    touched++;
    return real_malloc ? real_calloc(count, size) : from_early(count * size);
}
void *realloc(void *pointer, size_t size) {
    touched++;
    return real_realloc(pointer, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
    touched++;
    return real_aligned_alloc(alignment, size);
}
int posix_memalign(void **to, size_t alignment, size_t size) {
    touched++;
    return real_posix_memalign(to, alignment, size);
}
void free(void *pointer) {
    if (pointer == NULL || is_early(pointer)) return;
    touched++;
    real_free(pointer);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int failures;

static void expect(int holds, const char *what) {
    printf("%s ... %s\n", what, holds ? "ok" : "FAILED");
    if (!holds) failures++;
}

static void check(diffplan_status status, const char *what) {
    if (status != DIFFPLAN_STATUS_OK) {
        fprintf(stderr, "%s: %s\n", what, diffplan_last_error());
        exit(1);
    }
}

static diffplan_planner *planner;
static double cancelled;

static void on_alarm(int signal) {
    (void)signal;
    cancelled = now();
    diffplan_planner_cancel(planner);
}

static diffplan_planner *planner_of(const diffplan_pipeline *pipeline, const char *candidates, const char *steps, size_t threads) {
    diffplan_options *options;
    diffplan_planner *made;
    check(diffplan_options_new(pipeline, &options), "options");
    check(diffplan_options_set(options, "batch_size", candidates), "options");
    check(diffplan_options_set(options, "extra_steps", steps), "options");
    check(diffplan_planner_new(pipeline, options, threads, &made), "planner");
    diffplan_options_free(options);
    return made;
}

int main(int count, char **arguments) {
    if (count < 2) return 2;
    diffplan_pipeline *pipeline;
    check(diffplan_pipeline_open(arguments[1], &pipeline), "open");
    const float observation[3] = {0.8f, 0.6f, -0.5f};
    float action[1], again[1];

    size_t before = touched;
    free(malloc(100));
    expect(touched == before + 2, "allocations are counted");

    for (size_t threads = 1; threads <= 2; threads++) {
        planner = planner_of(pipeline, "8", "0", threads);
        check(diffplan_planner_plan(planner, observation, 3, diffplan_seed(0), action, 1), "plan");
        double began = now();
        before = touched;
        for (uint64_t seed = 0; seed < 20; seed++) check(diffplan_planner_plan(planner, observation, 3, diffplan_seed(seed), again, 1), "plan");
        size_t after = touched;
        printf("%zu threads: %.3f ms a plan\n", threads, 1e3 * (now() - began) / 20);
        expect(after == before, "plans allocate nothing after the first");
        check(diffplan_planner_measure(planner, 0.05, 1), "measure");
        for (int round = 0; round < 2; round++) {
            before = touched;
            check(diffplan_planner_plan_within(planner, observation, 3, NULL, 0, diffplan_seed(1), 60.0, action, 1, NULL), "plan within");
            check(diffplan_planner_plan_within(planner, observation, 3, NULL, 0, diffplan_seed(1), 0.0, action, 1, NULL), "plan within");
            after = touched;
        }
        expect(after == before, "plans within deadlines allocate nothing after the first");
        if (threads == 1) {
            /* The cost of a call that plans nothing, and of asking for what there is. */
            diffplan_plan_shape shape;
            began = now();
            for (int i = 0; i < 100000; i++) diffplan_planner_plan_shape(planner, &shape);
            printf("a call that looks: %.0f ns\n", 1e9 * (now() - began) / 100000);
            began = now();
            for (int i = 0; i < 100000; i++) diffplan_planner_plan(planner, observation, 2, diffplan_seed(0), action, 1);
            printf("a call that is refused, with its text: %.0f ns\n", 1e9 * (now() - began) / 100000);
        }
        diffplan_planner_free(planner);
    }

    /* A child of fork has no threads but its own. */
    planner = planner_of(pipeline, "2", "0", 1);
    check(diffplan_planner_plan(planner, observation, 3, diffplan_seed(0), action, 1), "plan");
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        diffplan_status status = diffplan_planner_plan(planner, observation, 3, diffplan_seed(0), again, 1);
        diffplan_planner_free(planner);
        if (status != DIFFPLAN_STATUS_FORKED) _exit(1);
        planner = planner_of(pipeline, "2", "0", 1);
        if (diffplan_planner_plan(planner, observation, 3, diffplan_seed(0), again, 1) != DIFFPLAN_STATUS_OK) _exit(2);
        diffplan_planner_free(planner);
        _exit(again[0] == action[0] ? 0 : 3);
    }
    int ended = 0;
    while (waitpid(child, &ended, 0) < 0 && errno == EINTR) {
    }
    expect(WIFEXITED(ended) && WEXITSTATUS(ended) == 0, "a forked child is told, and plans with a planner of its own");
    check(diffplan_planner_plan(planner, observation, 3, diffplan_seed(0), again, 1), "plan");
    expect(again[0] == action[0], "the parent plans on");
    diffplan_planner_free(planner);

    /* A plan of some seconds is called off by a signal's handler. */
    planner = planner_of(pipeline, "64", "5000", 1);
    struct sigaction handler;
    memset(&handler, 0, sizeof handler);
    handler.sa_handler = on_alarm;
    sigaction(SIGALRM, &handler, NULL);
    struct itimerval timer = {.it_value = {.tv_sec = 0, .tv_usec = 200000}};
    setitimer(ITIMER_REAL, &timer, NULL);
    diffplan_status status = diffplan_planner_plan(planner, observation, 3, diffplan_seed(0), action, 1);
    double late = now() - cancelled;
    printf("cancelled: %s; over %.2f ms later\n", diffplan_last_error(), 1e3 * late);
    expect(status == DIFFPLAN_STATUS_CANCELLED && late < 1.0, "a plan is cancelled from a signal handler");
    diffplan_planner_free(planner);
    diffplan_pipeline_free(pipeline);
    return failures == 0 ? 0 : 1;
}
