/* The plant of the examples: a pendulum that a motor, too weak to lift it in one go, is to swing up. Pendulum-v1 of Gymnasium: m = 1 kg, l = 1 m, g = 10 m/s2,
 * torque within 2 N m, speed within 8 rad/s, a step of 0.05 s. */

#ifndef PENDULUM_H
#define PENDULUM_H

#include <math.h>

struct pendulum {
    double angle; /* rad, 0 is upright */
    double speed; /* rad/s */
};

/* cos, sin and speed: what the planner sees. */
static inline void pendulum_observe(const struct pendulum *plant, float observation[3]) {
    observation[0] = (float)cos(plant->angle);
    observation[1] = (float)sin(plant->angle);
    observation[2] = (float)plant->speed;
}

static inline double pendulum_within(double value, double limit) {
    return value > limit ? limit : value < -limit ? -limit : value;
}

/* 0.05 s under this torque (N m). */
static inline void pendulum_step(struct pendulum *plant, float torque) {
    const double step = 0.05;
    double motor = pendulum_within(torque, 2.0);
    plant->speed += (15.0 * sin(plant->angle) + 3.0 * motor) * step;
    plant->speed = pendulum_within(plant->speed, 8.0);
    plant->angle += plant->speed * step;
}

#endif
