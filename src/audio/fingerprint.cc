#include "audio/fingerprint.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "audio/spectrum.h"

namespace loralens {
namespace {

constexpr int bands = 33, bits = bands - 1;
constexpr int first_bin = 8, end_bin = 85;    // of 40 Hz: 320 to 3,400 Hz
constexpr int64_t smoothed = 9, lag = 6;      // frames of 10 ms
constexpr float quietest = 1e-3F;             // energy of the quietest word that counts, relative to the loudest
constexpr int64_t fewest_words = 40;          // loud in both, for a distance
constexpr double least_overlap = 0.75;        // of the shorter one's loud words

using Bands = std::array<float, bands>;

int band_edge(int band) {
  return first_bin + static_cast<int>(std::lround(static_cast<double>(band) * (end_bin - first_bin) / bands));
}

// Energies of the bands of each frame of 25 ms.
std::vector<Bands> band_energies(std::span<const float> samples) {
  if (samples.size() < frame_length) return {};
  const size_t frames = (samples.size() - frame_length) / frame_hop + 1;
  std::vector<Bands> energies(frames);
  std::array<int, bands + 1> edges;
  for (int band = 0; band <= bands; ++band) edges[static_cast<size_t>(band)] = band_edge(band);
  std::array<float, block_samples> block;
  Powers powers;
  for (size_t first = 0; first < frames; first += lanes) {
    const size_t at = first * frame_hop, count = std::min<size_t>(block_samples, samples.size() - at);
    block.fill(0);
    std::memcpy(block.data(), samples.data() + at, count * sizeof(float));
    power_spectra(block.data(), powers);
    for (size_t i = 0; i < lanes && first + i < frames; ++i)
      for (size_t band = 0; band < bands; ++band) {
        float sum = 0;
        for (int bin = edges[band]; bin < edges[band + 1]; ++bin) sum += powers.power[bin][i];
        energies[first + i][band] = sum;
      }
  }
  return energies;
}

// Over `smoothed` frames each: log energies, and in `total` the energy of all bands.
std::vector<Bands> smoothed_logs(const std::vector<Bands>& energies, std::vector<float>& total) {
  std::vector<Bands> logs;
  for (size_t first = 0; first + smoothed <= energies.size(); ++first) {
    Bands sums{};
    for (size_t frame = first; frame < first + smoothed; ++frame)
      for (size_t band = 0; band < bands; ++band) sums[band] += energies[frame][band];
    total.push_back(0);
    for (float& sum : sums) {
      total.back() += sum;
      sum = std::log(sum + 1e-11F);
    }
    logs.push_back(sums);
  }
  return logs;
}

}  // namespace

Fingerprint fingerprint(std::span<const float> samples) {
  std::vector<float> total;
  const auto logs = smoothed_logs(band_energies(samples), total);
  Fingerprint words;
  if (logs.size() <= lag) return words;
  const float threshold = quietest * *std::max_element(total.begin(), total.end());
  for (size_t i = lag; i < logs.size(); ++i) {
    uint32_t word = 0;
    for (size_t bit = 0; bit < bits; ++bit) {
      const float now = logs[i][bit] - logs[i][bit + 1], before = logs[i - lag][bit] - logs[i - lag][bit + 1];
      word |= static_cast<uint32_t>(now > before) << bit;
    }
    const bool loud = std::max(total[i], total[i - lag]) > threshold;
    words.push_back(loud ? std::max<uint32_t>(word, 1) : 0);
  }
  return words;
}

int64_t loud_words(const Fingerprint& fingerprint) {
  return std::ssize(fingerprint) - std::count(fingerprint.begin(), fingerprint.end(), 0U);
}

double distance(const Fingerprint& a, const Fingerprint& b, int64_t shift) {
  const int64_t begin = std::max<int64_t>(0, shift), end = std::min(std::ssize(a), std::ssize(b) + shift);
  int64_t compared = 0, different = 0;
  for (int64_t i = begin; i < end; ++i) {
    const uint32_t x = a[static_cast<size_t>(i)], y = b[static_cast<size_t>(i - shift)];
    if (x == 0 || y == 0) continue;
    ++compared;
    different += std::popcount(x ^ y);
  }
  const auto shorter = static_cast<double>(std::min(loud_words(a), loud_words(b)));
  if (compared < fewest_words || static_cast<double>(compared) < least_overlap * shorter) return 1;
  return static_cast<double>(different) / static_cast<double>(bits * compared);
}

}  // namespace loralens
