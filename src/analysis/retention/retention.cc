// SPDX-License-Identifier: Apache-2.0
// Radford et al., 2022 (the decoder); word error rate: edit distance over the words of the reference.
#include "analysis/retention/retention.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "analysis/analyses.h"
#include "analysis/retention/word_errors.h"
#include "analysis/retention/words.h"
#include "base/error.h"
#include "base/profile.h"
#include "hub/hub.h"
#include "inference/transcribe_files.h"
#include "inference/windows.h"
#include "study/open_transcriber.h"

namespace loralens {
namespace {

using at::Tensor;

// adapted, frozen: T×D. NaN for constant frozen states.
double r_squared(const Tensor& adapted, const Tensor& frozen) {
  const Tensor a = adapted.to(c10::ScalarType::Double), f = frozen.to(c10::ScalarType::Double);
  const double residual = (a - f).square().sum().item<double>(),
               total = (f - f.mean(0, /*keepdim=*/true)).square().sum().item<double>();
  return total > 0 ? 1 - residual / total : NAN;
}

}  // namespace

TranscriptWriter open_writer(const std::string& model, const Encoder& encoder) {
  const Timed time(Phase::load);
  const Precision precision{encoder.layers.front().q.weight.scalar_type(), encoder.norm.weight.scalar_type()};
  TextModel text = open_text_model(resolve_model(model), "", {.device = encoder.device(), .precision = precision});
  auto tokenizer = std::make_shared<const Tokenizer>(std::move(text.tokenizer));
  return {.decoder = std::move(text.decoder),
          .generation = std::move(text.generation),
          .text = [tokenizer](std::span<const int64_t> tokens) { return tokenizer->text(tokens); }};
}

Retention::Retention(const Setting& setting, std::function<TranscriptWriter()> open)
    : setting_(setting), open_(std::move(open)), mel_(setting.base->config.mels), curves_(setting) {}

int64_t Retention::language_of(const Clip& clip) const {
  const auto known = writer_->generation.languages.find(clip.language);
  return known == writer_->generation.languages.end() ? detected_language : known->second;
}

// states: 1×1500×D.
Retention::Heard Retention::heard(const Tensor& states, int64_t language) const {
  const Timed time(Phase::decoder);
  const std::vector<int64_t> languages = {language};
  auto found = transcribe(writer_->decoder, states, writer_->generation, languages);
  Heard heard{.tokens = std::move(found[0].tokens), .words = {}, .language = found[0].language};
  heard.words = words_of(writer_->text(heard.tokens));
  return heard;
}

void Retention::see_clip(const ModelViews& views, int64_t fold, int64_t number) {
  const Clip& clip = setting_.clips->clips[number];
  const int64_t window = window_samples(setting_.base->config);
  double seconds = 0;
  const std::vector<Tensor> mels = mel_segments(clip, mel_, {.padded = true}, window, &seconds);
  if (mels.size() > 1) ++cut_;
  const auto states_of = [&](Role role) {
    const Subject& subject = views.of(role).subject;
    return window_states(subject.encoder, subject.model.adapted.adapters, {mels.front().to(subject.encoder.device())});
  };
  const Tensor frozen = states_of(Role::frozen), adapted = states_of(Role::adapted);
  const auto known = frozen_.find(number);
  const Heard& before =
      known != frozen_.end() ? known->second : frozen_.emplace(number, heard(frozen, language_of(clip))).first->second;
  const Heard after = heard(adapted, before.language);
  const auto add = [&](const char* model, const char* variant, const char* metric, double value, MeanOf kind) {
    curves_.add(fold, number, {.model = model, .variant = variant, .metric = metric}, value, kind);
  };
  add("adapted", "frozen-transcript", "word_error_rate", error_rate(after.words, before.words), MeanOf::amounts);
  add("adapted", "frozen-transcript", "token_error_rate", error_rate(after.tokens, before.tokens), MeanOf::amounts);
  add("adapted", "frozen-transcript", "changed", after.words != before.words, MeanOf::shares);
  if (const auto text = words_of(clip.text); !text.empty()) {
    ++texts_;
    add("adapted", "text", "word_error_rate", error_rate(after.words, text), MeanOf::amounts);
    add("frozen", "text", "word_error_rate", error_rate(before.words, text), MeanOf::amounts);
  }
  const int64_t positions =
      std::clamp<int64_t>(std::llround(std::ceil(seconds * 16'000 / position_samples)), 1, frozen.size(1));
  const double kept = r_squared(adapted[0].narrow(0, 0, positions), frozen[0].narrow(0, 0, positions));
  if (!std::isnan(kept))
    curves_.add(fold, number, {.model = "adapted", .component = "states", .metric = "r_squared"}, kept);
}

void Retention::end_models(const ModelViews& views) {
  if (!unavailable_.empty()) return;
  if (!writer_) try {
      writer_ = open_();
    } catch (const Error& error) {
      unavailable_ = error.what();
      return;
    }
  const at::NoGradGuard no_grad;
  const BatchView& view = views.of(Role::adapted);
  for (const int64_t clip : view.clips) see_clip(views, view.fold.fold, clip);
}

Findings Retention::finish() {
  Findings findings;
  findings.rows = curves_.rows();
  if (texts_ > 0)
    for (Row& row : curves_.differences("adapted", "frozen"))
      if (row.key.variant == "text") findings.rows.push_back(std::move(row));
  describe_retention(findings);
  if (!unavailable_.empty()) findings.notes.push_back(fmt::format("No transcripts: {}", unavailable_));
  if (cut_ > 0) findings.notes.push_back(fmt::format("{} transcripts are of the first 30 s of a longer clip.", cut_));
  if (unavailable_.empty() && texts_ == 0)
    findings.notes.push_back(
        "The table has no column text, so transcripts are compared with the frozen model's alone.");
  return findings;
}

std::unique_ptr<Analysis> make_retention(const Setting& setting) {
  return std::make_unique<Retention>(setting,
                                     [&setting] { return open_writer(setting.models.front().base, *setting.base); });
}

}  // namespace loralens
