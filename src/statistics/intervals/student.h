// SPDX-License-Identifier: Apache-2.0
// Student's t distribution with any number of degrees of freedom, and the power of its two-sided test. The incomplete
// beta function by its continued fraction (Press et al., Numerical Recipes, 2007, section 6.4).
#pragma once

namespace loralens {

// P(|T| > t) for T with `degrees` of freedom; t >= 0, degrees > 0. Error for other arguments.
double student_p(double t, double degrees);

// t > 0 with P(|T| <= t) = level, level in (0, 1). Like student_t() in jackknife.h, for fractional degrees > 0. Error
// for other arguments.
double student_bound(double level, double degrees);

// Power of the two-sided t test of the given level (such as 0.95): the probability that |X / S| exceeds
// student_bound(level, degrees), X normal with mean `shift` and variance 1, S² an independent chi-square over its
// degrees of freedom. Degrees >= 1.
double student_power(double shift, double degrees, double level);

// The smallest true difference that a two-sided t test detects with this power. error: standard error of the
// difference, > 0, with `degrees` >= 1 degrees of freedom. Error for other arguments, or power or level outside (0, 1).
double detectable_difference(double error, double degrees, double power = 0.8, double level = 0.95);

}  // namespace loralens
