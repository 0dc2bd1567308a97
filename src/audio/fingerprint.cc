// SPDX-License-Identifier: Apache-2.0
#include "audio/fingerprint.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <deque>

#include "audio/power_spectrum.h"

namespace loralens {
namespace {

constexpr int bands = 33, bits = bands - 1;
constexpr int first_bin = 8, end_bin = 85;    // bins of 40 Hz: 320 to 3,400 Hz
constexpr int64_t smoothed = 9, lag = 6;      // frames of 10 ms
constexpr float quietest = 1e-3F;             // minimum energy of a loud word, relative to the loudest: -30 dB
constexpr int64_t fewest_words = 40;          // minimum number of compared words for a distance
constexpr double least_overlap = 0.75;        // minimum share of the shorter clip's loud words to be compared

using Bands = std::array<float, bands>;

int band_edge(int band) {
  return first_bin + static_cast<int>(std::lround(static_cast<double>(band) * (end_bin - first_bin) / bands));
}

std::array<int, bands + 1> band_edges() {
  std::array<int, bands + 1> edges;
  for (int band = 0; band <= bands; ++band) edges[band] = band_edge(band);
  return edges;
}

}  // namespace

struct Fingerprinter::State {
  const std::array<int, bands + 1> edges = band_edges();
  std::vector<float> samples;   // not yet processed, from the start of the next frame
  std::deque<Bands> energies;   // band energies of the last frames of 25 ms, up to `smoothed`
  std::deque<Bands> logs;       // logs of the last sums over `smoothed` frames, up to lag + 1
  std::vector<float> total;     // energy of all bands for each sum
  Fingerprint words;

  // Adds the first `count` frames of the block.
  void add_frames(const float* block, size_t count) {
    Powers powers;
    power_spectra(block, powers);
    for (size_t i = 0; i < count; ++i) {
      Bands energy;
      for (size_t band = 0; band < bands; ++band) {
        float sum = 0;
        for (int bin = edges[band]; bin < edges[band + 1]; ++bin) sum += powers.power[bin][i];
        energy[band] = sum;
      }
      energies.push_back(energy);
      if (energies.size() < smoothed) continue;
      add_sum();
      energies.pop_front();
    }
  }

  void add_sum() {
    Bands sums{};
    for (const Bands& energy : energies)
      for (size_t band = 0; band < bands; ++band) sums[band] += energy[band];
    total.push_back(0);
    for (float& sum : sums) {
      total.back() += sum;
      sum = std::log(sum + 1e-11F);
    }
    logs.push_back(sums);
    if (logs.size() <= lag) return;
    const Bands &then = logs.front(), &now = logs.back();
    uint32_t word = 0;
    for (size_t bit = 0; bit < bits; ++bit)
      word |= static_cast<uint32_t>(now[bit] - now[bit + 1] > then[bit] - then[bit + 1]) << bit;
    words.push_back(std::max<uint32_t>(word, 1));
    logs.pop_front();
  }
};

Fingerprinter::Fingerprinter() : state_(std::make_unique<State>()) {}
Fingerprinter::~Fingerprinter() = default;

void Fingerprinter::add(std::span<const float> samples) {
  auto& held = state_->samples;
  held.insert(held.end(), samples.begin(), samples.end());
  size_t at = 0;
  for (; at + block_samples <= held.size(); at += lanes * frame_hop) state_->add_frames(held.data() + at, lanes);
  held.erase(held.begin(), held.begin() + static_cast<ptrdiff_t>(at));
}

Fingerprint Fingerprinter::finish() {
  State& state = *state_;
  if (state.samples.size() >= frame_length) {
    const size_t frames = (state.samples.size() - frame_length) / frame_hop + 1;
    state.samples.resize(block_samples);
    state.add_frames(state.samples.data(), frames);
  }
  state.samples.clear();
  if (state.words.empty()) return {};
  const float threshold = quietest * *std::max_element(state.total.begin(), state.total.end());
  for (size_t i = 0; i < state.words.size(); ++i)
    if (!(std::max(state.total[i + lag], state.total[i]) > threshold)) state.words[i] = 0;
  return std::move(state.words);
}

Fingerprint fingerprint(std::span<const float> samples) {
  Fingerprinter fingerprinter;
  fingerprinter.add(samples);
  return fingerprinter.finish();
}

int64_t loud_words(const Fingerprint& fingerprint) {
  return std::ssize(fingerprint) - std::count(fingerprint.begin(), fingerprint.end(), 0U);
}

double distance(const Fingerprint& a, const Fingerprint& b, int64_t shift) {
  const int64_t begin = std::max<int64_t>(0, shift), end = std::min(std::ssize(a), std::ssize(b) + shift);
  int64_t compared = 0, different = 0;
  for (int64_t i = begin; i < end; ++i) {
    const uint32_t x = a[i], y = b[i - shift];
    if (x == 0 || y == 0) continue;
    ++compared;
    different += std::popcount(x ^ y);
  }
  const auto shorter = static_cast<double>(std::min(loud_words(a), loud_words(b)));
  if (compared < fewest_words || static_cast<double>(compared) < least_overlap * shorter) return 1;
  return static_cast<double>(different) / static_cast<double>(bits * compared);
}

}  // namespace loralens
