// SPDX-License-Identifier: Apache-2.0
#include "corpus/synthetic/synthetic.h"

#include <espeak-ng/speak_lib.h>
#include <sndfile.h>
#include <soxr.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "audio/decode.h"  // sample_rate
#include "base/error.h"
#include "base/formats/csv.h"
#include "base/parallel.h"
#include "base/random.h"

namespace loralens {
namespace {

struct Voice {
  const char* name;     // the speaker in the table is "synthetic-" and this name
  const char* espeak;   // accent + variant
  const char* gender;
};

constexpr std::array<Voice, 12> voices = {{{"f1", "en-us+f1", "female"},
                                           {"m1", "en-gb-x-rp+m1", "male"},
                                           {"f2", "en-gb-x-rp+f2", "female"},
                                           {"m2", "en-us+m2", "male"},
                                           {"f3", "en-us+f3", "female"},
                                           {"m3", "en-us+m3", "male"},
                                           {"f4", "en-gb-scotland+f4", "female"},
                                           {"m4", "en-gb-x-rp+m4", "male"},
                                           {"f5", "en-us+f5", "female"},
                                           {"m5", "en-gb-scotland+m5", "male"},
                                           {"f6", "en-gb-x-rp+linda", "female"},
                                           {"m7", "en-us+m7", "male"}}};

// Sentences with emotionally neutral content.
constexpr std::array<const char*, 12> sentences = {
    "The blue folder lies on the second shelf.", "They will bring the boxes in tomorrow.",
    "The train to the coast leaves at seven.",   "She put the letter under the lamp.",
    "There are nine chairs in the other room.",  "We can meet at the corner after lunch.",
    "He has read the page about the river.",     "The shop next door opens on Monday.",
    "I left the keys beside the window.",        "Somebody has moved the table again.",
    "It takes an hour to walk around the lake.", "The meeting has been set for Thursday."};

// How a clip is spoken, in espeak-ng's units.
struct Style {
  double rate;   // words per minute
  double pitch;  // 0 to 100, the voice's own is 50; 100 is an octave up
  double range;  // of the pitch, 0 (monotonous) to 100, usual 50
  double level;  // dB against the speaker's usual loudness
};

struct Class {
  const char* name;
  Style mean;
};

constexpr std::array<Class, 4> classes = {{{"anger", {202, 49, 54, 5.5}},
                                           {"happiness", {180, 70, 70, 1.5}},
                                           {"neutral", {166, 45, 42, 0.0}},
                                           {"sadness", {136, 33, 28, -5.0}}}};
constexpr Style clip_deviation = {8, 4.5, 7, 1.6};      // between clips of one class and speaker
constexpr Style speaker_deviation = {6, 2.5, 4, 1.5};  // between speakers, the same for all classes
constexpr double bound = 2.5;                           // limit of all draws, in standard deviations

// Whether all possible values stay in espeak-ng's range; it silently clamps values outside.
constexpr bool stays_within(double Style::* part, double low, double high) {
  return std::all_of(classes.begin(), classes.end(), [=](const Class& c) {
    const double reach = bound * (clip_deviation.*part + speaker_deviation.*part);
    return c.mean.*part - reach >= low && c.mean.*part + reach <= high;
  });
}
static_assert(stays_within(&Style::rate, espeakRATE_MINIMUM, espeakRATE_MAXIMUM));
static_assert(stays_within(&Style::pitch, 0, 99) && stays_within(&Style::range, 0, 99));

// The room of a speaker: early reflections and steady noise.
struct Room {
  std::vector<std::pair<int, float>> reflections;  // delay in samples, gain
  double noise;                                    // dB against full scale
};

// A draw from a normal distribution truncated at `bound` standard deviations, by rejection.
double bounded_normal(Random& random, double mean, double deviation) {
  double z;
  do z = random.normal();
  while (std::abs(z) > bound);
  return mean + deviation * z;
}

Style draw(Random& random, const Style& mean, const Style& deviation) {
  Style style;  // one statement each: the order of the draws is part of the corpus
  style.rate = bounded_normal(random, mean.rate, deviation.rate);
  style.pitch = bounded_normal(random, mean.pitch, deviation.pitch);
  style.range = bounded_normal(random, mean.range, deviation.range);
  style.level = bounded_normal(random, mean.level, deviation.level);
  return style;
}

Style operator+(const Style& a, const Style& b) {
  return {a.rate + b.rate, a.pitch + b.pitch, a.range + b.range, a.level + b.level};
}

Room draw_room(Random& random) {
  Room room;
  for (int i = 0; i < 24; ++i) {
    const double delay = random.uniform(0.002, 0.08);  // s
    const double gain = 0.25 * std::exp(-delay / 0.03) * random.normal();
    room.reflections.emplace_back(static_cast<int>(delay * sample_rate), static_cast<float>(gain));
  }
  room.noise = bounded_normal(random, -62, 4);
  return room;
}

// espeak-ng has global state: use one Synthesiser at a time, in one thread. The library is initialised once and never
// terminated, because espeak_Terminate can hang waiting for its own idle thread (seen in version 1.51).
class Synthesiser {
 public:
  Synthesiser() : rate_(start()) { espeak_SetSynthCallback(take); }

  int rate() const { return rate_; }  // Hz

  void choose(const Voice& voice) {
    if (espeak_SetVoiceByName(voice.espeak) != EE_OK)
      fail("espeak-ng has no voice '{}': install the package espeak-ng-data of the same version", voice.espeak);
  }

  std::vector<float> speak(const std::string& text, const Style& style) {
    set(espeakRATE, style.rate);
    set(espeakPITCH, style.pitch);
    set(espeakRANGE, style.range);
    std::vector<float> samples;
    const auto result =
        espeak_Synth(text.c_str(), text.size() + 1, 0, POS_CHARACTER, 0, espeakCHARS_UTF8, nullptr, &samples);
    if (result != EE_OK || samples.empty()) fail("espeak-ng could not speak '{}' (error {})", text, int(result));
    return samples;
  }

 private:
  static int start() {
    static const int rate = espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, nullptr, espeakINITIALIZE_DONT_EXIT);
    if (rate <= 0) fail("espeak-ng finds no voice data: install the package espeak-ng-data");
    return rate;
  }

  static void set(espeak_PARAMETER parameter, double value) {
    if (espeak_SetParameter(parameter, static_cast<int>(std::lround(value)), 0) != EE_OK)
      fail("espeak-ng refused the value {} of parameter {}", value, int(parameter));
  }

  static int take(short* block, int count, espeak_EVENT* events) {
    auto& samples = *static_cast<std::vector<float>*>(events->user_data);
    for (int i = 0; block && i < count; ++i) samples.push_back(block[i] / 32768.f);
    return 0;
  }

  int rate_;
};

double root_mean_square(const std::vector<float>& samples) {
  double sum = 0;
  for (const float x : samples) sum += double(x) * x;
  return std::sqrt(sum / static_cast<double>(samples.size()));
}

std::vector<float> resample(const std::vector<float>& samples, int from) {
  std::vector<float> result(samples.size() * sample_rate / from + 1);
  size_t done = 0;
  const auto error = soxr_oneshot(from, sample_rate, 1, samples.data(), samples.size(), nullptr, result.data(),
                                  result.size(), &done, nullptr, nullptr, nullptr);
  if (error) fail("resampling from {} Hz: {}", from, error);
  result.resize(done);
  return result;
}

// A synthesised clip before it is written to its file.
struct Take {
  std::string speaker, label, text, path;
  Style style;
  uint64_t seed;
  std::vector<float> samples;  // at the synthesiser's rate
};

// The clip as recorded in a room: resampled, with reflections and noise. gain: normalises the speaker's mean loudness.
std::vector<int16_t> record(const Take& take, int rate, const Room& room, double gain) {
  std::vector<float> dry = resample(take.samples, rate);
  gain *= std::pow(10, take.style.level / 20);
  Random random(take.seed);
  const double noise = std::pow(10, bounded_normal(random, room.noise, 2) / 20);
  std::vector<int16_t> recorded(dry.size());
  double hiss = 0;
  for (size_t i = 0; i < dry.size(); ++i) {
    double x = dry[i];
    for (const auto& [delay, reflection] : room.reflections)
      if (i >= static_cast<size_t>(delay)) x += reflection * dry[i - delay];
    // Room noise falls with frequency: white noise through a one-pole low-pass, at unit power.
    hiss = 0.9 * hiss + std::sqrt(1 - 0.81) * random.normal();
    x = x * gain + noise * hiss;
    if (std::abs(x) >= 1) fail("{} would be overdriven: choose another seed", take.path);
    recorded[i] = static_cast<int16_t>(std::lround(x * 32767));
  }
  return recorded;
}

void write_wav(const Path& path, const std::vector<int16_t>& samples) {
  SF_INFO info = {};
  info.samplerate = sample_rate;
  info.channels = 1;
  info.format = SF_FORMAT_WAV | SF_FORMAT_PCM_16;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  if (!file) fail("cannot write {}: {}", path.string(), sf_strerror(nullptr));
  const auto count = static_cast<sf_count_t>(samples.size());
  const bool whole = sf_writef_short(file, samples.data(), count) == count;
  const std::string reason = sf_strerror(file);
  if ((sf_close(file) != 0) || !whole) fail("cannot write {}: {}", path.string(), reason);
}

// The clips of one speaker, spoken in a fixed order.
std::vector<Take> speak_all(Synthesiser& synthesiser, size_t speaker, const SyntheticOptions& options) {
  Random habits(hash_of(options.seed, speaker));
  const Style habit = draw(habits, {}, speaker_deviation);
  const std::string name = std::string("synthetic-") + voices[speaker].name;
  std::vector<Take> takes;
  for (size_t c = 0; c < classes.size(); ++c) {
    for (int s = 0; s < options.sentences; ++s) {
      const uint64_t seed = hash_of(options.seed, speaker, c, s);
      Random random(seed);
      Take take{name, classes[c].name, sentences[s], "", {}, mix(seed), {}};
      take.path = fmt::format("audio/{}/{}_{}_{:02}.wav", name, name, take.label, s + 1);
      take.style = draw(random, classes[c].mean, clip_deviation) + habit;
      take.samples = synthesiser.speak(take.text, take.style);
      takes.push_back(std::move(take));
    }
  }
  return takes;
}

std::string readme(const SyntheticOptions& options) {
  return fmt::format(
      "# Synthetic emotional speech\n\n"
      "No person speaks here. {} voices of the synthesiser espeak-ng say {} sentences in four manners that are named\n"
      "anger, happiness, neutral and sadness. The manners differ in the means of rate, pitch, pitch range and "
      "loudness,\n"
      "and overlap; reflections and noise of a room are added. Made by `loralens synth`, seed {}.\n\n"
      "It serves to try the program. Results on it say nothing about the recognition of emotions of people.\n",
      options.voices, options.sentences, options.seed);
}

}  // namespace

void write_synthetic_corpus(const Path& folder, const SyntheticOptions& options) {
  if (options.voices < 1 || options.voices > int(voices.size()))
    fail("the synthetic corpus has 1 to {} voices, not {}", voices.size(), options.voices);
  if (options.sentences < 1 || options.sentences > int(sentences.size()))
    fail("the synthetic corpus has 1 to {} sentences, not {}", sentences.size(), options.sentences);

  Table table{{"path", "label", "speaker", "text", "corpus", "language", "gender"}, {}};
  Synthesiser synthesiser;
  for (int v = 0; v < options.voices; ++v) {
    synthesiser.choose(voices[v]);
    const auto takes = speak_all(synthesiser, v, options);
    Random random(hash_of(options.seed, v, 0x726f6f6d));
    const Room room = draw_room(random);
    double loudness = 0;
    for (const Take& take : takes) loudness += root_mean_square(take.samples) / static_cast<double>(takes.size());
    const double gain = std::pow(10, -36.0 / 20) / loudness;  // headroom for the loudest peaks

    std::error_code code;
    std::filesystem::create_directories((folder / takes.front().path).parent_path(), code);
    if (code) fail("cannot create folders in {}: {}", folder.string(), code.message());
    parallel_for(takes.size(), std::thread::hardware_concurrency(), [&](size_t i) {
      write_wav(folder / takes[i].path, record(takes[i], synthesiser.rate(), room, gain));
    });
    for (const Take& take : takes)
      table.rows.push_back({take.path, take.label, take.speaker, take.text, "synthetic", "en", voices[v].gender});
  }
  write_file(folder / "README.md", readme(options));
  write_file(folder / "clips.csv", format_csv(table));
}

}  // namespace loralens
