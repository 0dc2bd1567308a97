// SPDX-License-Identifier: Apache-2.0
// Made by tests/oracle/cka.py with NumPy, mpmath and SciPy.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace loralens::expected {

constexpr int64_t samples = 13, x_features = 5, y_features = 3;
inline const std::vector<double> x = {
    0.0342,  1.3597,  1.2247,  -0.5103, -0.298,  -0.5274, 0.5697,  -0.0561, 0.7469,  -1.8473, 1.5665,  -0.0964, 0.6804,
    -0.1366, -0.3791, 0.4631,  0.8245,  -0.2025, -0.1528, 0.6857,  -0.8703, -1.5144, 0.395,   -0.6706, -1.9203, -0.8141,
    -0.4676, -1.1932, -1.4925, 0.0366,  0.8972,  -0.2331, -0.7436, 0.385,   0.7172,  -0.3,    0.5447,  1.0429,  -0.207,
    -0.8135, 0.3477,  0.2475,  1.0988,  -1.2846, -0.6616, -0.8382, -1.734,  0.1264,  0.5278,  -0.7388, 1.3856,  0.8219,
    0.6274,  0.4017,  0.9557,  -1.332,  0.6139,  0.6028,  -1.7677, 0.347,   -0.2504, 0.7815,  -0.4391, -0.0182, 0.3429};
inline const std::vector<double> y = {
    3.1406,  1.3841,  1.1737, 2.0919,  0.3621,  1.0449,  -1.515, 2.6241, -0.6009, 0.9446,  1.6849, -0.3807, 0.4533,
    -0.6102, -0.5599, 1.7753, 2.4927,  -2.4546, -1.426,  1.9946, 1.2621, 2.0835,  -0.8956, 2.0793, 0.9656,  0.1796,
    0.6923,  0.8443,  1.1885, -1.3086, -0.1514, -0.4961, 1.1576, 3.5408, -0.9156, 0.2479,  2.173,  0.5507,  3.2057};

constexpr double linear_cka = 0.4187311953981103;
constexpr double rbf_cka = 0.6918652376750818;
constexpr double tiny = 0x1p-30;  // times x and y:
constexpr double tiny_rbf_cka = 0.4187311953981104;
constexpr double hsic1 = 1.547189947314787;

// Samples 0 to 7 are a minibatch, 8 to 12 the other.
inline const std::vector<std::string> groups = {"0", "0", "1", "2", "2", "1", "0", "2", "1", "0", "1", "0", "1"};
constexpr double minibatch_cka = 0.32771734629719806;
inline const std::vector<double> without_groups = {0.26076930285148503, 0.49505136066621813, 0.1777081957510529};
constexpr double error = 0.19002567922668254;

struct Quantile {
  double level;
  int64_t degrees;
  double t;
};
inline const std::vector<Quantile> student = {
    {0.95, 1, 12.706204736174694}, {0.95, 2, 4.302652729749462},   {0.9, 3, 2.3533634348018233},
    {0.95, 7, 2.364624251592784},  {0.99, 8, 3.355387331333395},   {0.95, 9, 2.262157162798205},
    {0.95, 31, 2.039513446396408}, {0.5, 400, 0.6751035842407486},
};

}  // namespace loralens::expected
