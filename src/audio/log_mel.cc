// SPDX-License-Identifier: Apache-2.0
#include "audio/log_mel.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "audio/decode.h"
#include "audio/power_spectrum.h"
#include "base/error.h"

namespace loralens {
namespace {

static_assert(mel_hop == frame_hop);
constexpr int reflected = frame_length / 2;

// Slaney's mel scale (Auditory Toolbox): linear up to 1 kHz, logarithmic above.
double hertz_of_mel(double mel) { return mel < 15 ? mel * 200 / 3 : 1000 * std::exp(std::log(6.4) / 27 * (mel - 15)); }
double mel_of_hertz(double hertz) {
  return hertz < 1000 ? hertz * 3 / 200 : 15 + std::log(hertz / 1000) * 27 / std::log(6.4);
}

// Relative error below 2e-7; x is normal and positive. ln m = 2 artanh s, s = (m - 1) / (m + 1), for sqrt(1/2) <= m <
// sqrt(2): s² < 0.03, and five terms of the series are enough.
[[gnu::always_inline]] inline void log10_in_place(Lanes& x) {
  const auto bits = reinterpret_cast<IntegerLanes>(x);  // on vectors, reinterpret_cast keeps the bits
  const IntegerLanes exponent = (bits - 0x3f3504f3) >> 23;
  const auto m = reinterpret_cast<Lanes>(bits - exponent * (1 << 23));
  const Lanes s = (m - 1) / (m + 1), z = s * s;
  const Lanes series = 1 + z * (1 / 3.f + z * (1 / 5.f + z * (1 / 7.f + z * (1 / 9.f))));
  x = __builtin_convertvector(exponent, Lanes) * 0.301029996f + s * series * 0.868588964f;
}

[[gnu::always_inline]] inline void keep_larger(Lanes& x, const Lanes& y) { x = x > y ? x : y; }

// log10 mel energies of eight frames. out: M rows, `stride` floats apart, of which `count` columns are written. top:
// the running maximum in each lane.
LORALENS_PER_PROCESSOR
void log_mels(const Powers& powers, const std::vector<MelFilter>& filters, const float* weights, int count, float* out,
              int64_t stride, Lanes& top) {
  const auto* power = reinterpret_cast<const Lanes*>(powers.power);
  IntegerLanes lane;
  for (int i = 0; i < lanes; ++i) lane[i] = i;
  const IntegerLanes wanted = lane < count;
  for (const auto& filter : filters) {
    Lanes x = {};
    for (int k = 0; k < filter.count; ++k) x += power[filter.first + k] * weights[filter.offset + k];
    keep_larger(x, Lanes{} + 1e-10f);
    log10_in_place(x);
    keep_larger(top, wanted ? x : Lanes{} - 10);
    if (count == lanes)
      *reinterpret_cast<LooseLanes*>(out) = x;
    else
      std::memcpy(out, &x, sizeof(float) * count);
    out += stride;
  }
}

// (max(x, top - 8) + 4) / 4
LORALENS_PER_PROCESSOR
void compress(float* values, int64_t count, float top) {
  const float floor = top - 8;
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    Lanes x = *reinterpret_cast<const LooseLanes*>(values + i);
    keep_larger(x, Lanes{} + floor);
    *reinterpret_cast<LooseLanes*>(values + i) = (x + 4) * 0.25f;
  }
  for (; i < count; ++i) values[i] = (std::max(values[i], floor) + 4) * 0.25f;
}

// Copies block_samples samples from index `begin` on, which may be negative or reach beyond the end. The signal is
// reflected at both ends. Samples beyond the reflection are set to 0; only the block's unused frames contain them.
void copy_reflected(std::span<const float> samples, int64_t begin, float* block) {
  const auto count = std::ssize(samples);
  for (int64_t i = 0; i < block_samples; ++i) {
    int64_t at = std::abs(begin + i);
    if (at >= count) at = 2 * (count - 1) - at;
    block[i] = at >= 0 ? samples[at] : 0.f;
  }
}

bool is_silent(const float* block) {
  return std::all_of(block, block + block_samples, [](float sample) { return sample == 0; });
}

}  // namespace

LogMel::LogMel(int64_t mels) {
  if (mels != 80 && mels != 128) fail("Whisper has 80 or 128 mels, not {}: check num_mel_bins in config.json", mels);
  std::vector<double> edges;  // Hz, M + 2
  const double spacing = mel_of_hertz(sample_rate / 2.) / static_cast<double>(mels + 1);
  for (int64_t i = 0; i < mels + 2; ++i) edges.push_back(hertz_of_mel(spacing * static_cast<double>(i)));
  for (int64_t m = 0; m < mels; ++m) {
    const double low = edges[m], peak = edges[m + 1], high = edges[m + 2];
    MelFilter filter{0, 0, static_cast<int>(weights_.size())};
    for (int k = 0; k < spectrum_bins; ++k) {
      const double hertz = static_cast<double>(sample_rate) / frame_length * k;
      const double height = std::min((hertz - low) / (peak - low), (high - hertz) / (high - peak));
      if (height <= 0) continue;
      if (filter.count++ == 0) filter.first = k;
      weights_.push_back(static_cast<float>(height * 2 / (high - low)));
    }
    filters_.push_back(filter);
  }
}

at::Tensor LogMel::operator()(std::span<const float> samples) const {
  const auto count = std::ssize(samples);
  if (count <= reflected)
    fail("a clip of {} samples at 16 kHz is too short for a log-mel: it needs {}; add silence or leave the clip out",
         count, reflected + 1);
  const int64_t frames = count / mel_hop, mels = std::ssize(filters_);
  at::Tensor result = at::empty({mels, frames}, at::kFloat);
  auto* out = result.mutable_data_ptr<float>();
  Powers powers;
  float edge[block_samples];
  Lanes top = Lanes{} - 10;
  for (int64_t t = 0; t < frames; t += lanes) {
    const int64_t begin = t * mel_hop - reflected;
    const bool inside = begin >= 0 && begin + block_samples <= count;
    if (!inside) copy_reflected(samples, begin, edge);
    const float* block = inside ? samples.data() + begin : edge;
    const int wanted = static_cast<int>(std::min<int64_t>(lanes, frames - t));
    if (is_silent(block)) {  // zero padding, most of a short clip: log10 of the floor 1e-10
      for (int64_t m = 0; m < mels; ++m) std::fill_n(out + m * frames + t, wanted, -10.f);
      continue;
    }
    power_spectra(block, powers);
    log_mels(powers, filters_, weights_.data(), wanted, out + t, frames, top);
  }
  float largest = top[0];
  for (int i = 1; i < lanes; ++i) largest = std::max(largest, top[i]);
  compress(out, mels * frames, largest);
  return result;
}

std::vector<float> padded_samples(std::span<const float> samples, int64_t length) {
  std::vector<float> padded(samples.begin(), samples.begin() + std::min<ptrdiff_t>(samples.size(), length));
  padded.resize(length);
  return padded;
}

std::vector<float> speech_samples(std::span<const float> samples, double tail, int64_t longest) {
  if (!(tail >= 0 && tail <= 3600)) fail("a tail of {} s of silence is out of range: give 0 to 3600 s", tail);
  const int64_t length = std::ssize(samples) + std::llround(tail * sample_rate);
  std::vector<float> longer(samples.begin(), samples.end());
  longer.resize(std::min<int64_t>((length + position_samples - 1) / position_samples * position_samples, longest));
  return longer;
}

}  // namespace loralens
