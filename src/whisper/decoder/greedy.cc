// SPDX-License-Identifier: Apache-2.0
#include "whisper/decoder/greedy.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/max.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "base/device.h"
#include "base/error.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr double never = -std::numeric_limits<double>::infinity();

// The best token of each row of scores (B×V). Error if it has no finite score.
std::vector<int64_t> best_tokens(const Tensor& scores) {
  const auto [values, indices] = at::max(scores, 1);
  const Tensor best = values.to(c10::kCPU, c10::ScalarType::Double), tokens = indices.cpu();
  for (int64_t i = 0; i < best.numel(); ++i)
    if (!std::isfinite(best.const_data_ptr<double>()[i]))
      fail("the decoder's scores are not finite: check the model's files, or use --precision fp32");
  return {tokens.const_data_ptr<int64_t>(), tokens.const_data_ptr<int64_t>() + tokens.numel()};
}

// Scores of `otherwise` for all tokens and of `value` for these ones: V.
Tensor scores_of(const std::vector<int64_t>& tokens, double value, double otherwise, const Tensor& like, int64_t size) {
  Tensor scores = at::full({size}, otherwise, like.options());
  if (!tokens.empty()) scores.index_fill_(0, on_device(tokens, like.device()), value);
  return scores;
}

// Decodes a batch. Clips that have ended leave the cache; `open_` has the numbers of those in it, in its order.
class Greedy {
 public:
  Greedy(const Decoder& decoder, const Tensor& states, const Generation& generation)
      : decoder_(decoder), generation_(generation), cache_(decoder, states), transcripts_(states.size(0)) {
    for (int64_t clip = 0; clip < states.size(0); ++clip) open_.push_back(clip);
  }

  void feed_prompt(std::span<const int64_t> languages) {
    for (const int64_t token : generation_.prompt) {
      if (token == detected_language) detect(languages);
      std::vector<int64_t> next(open_.size(), token);
      for (size_t clip = 0; clip < open_.size(); ++clip) {
        if (token == detected_language) next[clip] = transcripts_[clip].language;
        if (!generation_.language_of(next[clip]).empty()) transcripts_[clip].language = next[clip];
      }
      x_ = advance(decoder_, cache_, next);
    }
  }

  std::vector<Transcript> write() {
    const Tensor suppressed = scores_of(generation_.suppressed, never, 0, x_, decoder_.config.vocabulary);
    std::optional<Tensor> first = scores_of(generation_.suppressed_first, never, 0, x_, decoder_.config.vocabulary);
    while (!open_.empty()) {
      Tensor scores = token_logits(decoder_, x_) + suppressed;
      if (first) scores = scores + *first;
      first.reset();
      const std::vector<int64_t> next = take(best_tokens(scores));
      if (!open_.empty()) x_ = advance(decoder_, cache_, next);
    }
    return std::move(transcripts_);
  }

 private:
  // Sets each clip's language: the given one, else the most probable one.
  void detect(std::span<const int64_t> languages) {
    std::vector<int64_t> tokens;
    for (const auto& [code, token] : generation_.languages) tokens.push_back(token);
    std::vector<int64_t> found(languages.begin(), languages.end());
    if (languages.empty() || std::ranges::find(languages, detected_language) != languages.end())
      found = best_tokens(token_logits(decoder_, x_) + scores_of(tokens, 0, never, x_, decoder_.config.vocabulary));
    for (size_t clip = 0; clip < open_.size(); ++clip) {
      const bool given = !languages.empty() && languages[clip] != detected_language;
      transcripts_[clip].language = given ? languages[clip] : found[clip];
    }
  }

  // Adds a token to each open clip and closes the clips that end. Returns the tokens of those that stay open.
  std::vector<int64_t> take(std::vector<int64_t> tokens) {
    for (int64_t place = std::ssize(open_) - 1; place >= 0; --place) {
      auto& written = transcripts_[open_[place]].tokens;
      const bool end = tokens[place] == generation_.end;
      if (!end) written.push_back(tokens[place]);
      if (!end && std::ssize(generation_.prompt) + std::ssize(written) < generation_.most_tokens) continue;
      cache_.remove(place);
      open_[place] = open_.back();
      tokens[place] = tokens.back();
      open_.pop_back();
      tokens.pop_back();
    }
    return tokens;
  }

  const Decoder& decoder_;
  const Generation& generation_;
  DecoderCache cache_;
  Tensor x_;  // B×D, the states of the last tokens
  std::vector<int64_t> open_;
  std::vector<Transcript> transcripts_;
};

}  // namespace

std::vector<Transcript> transcribe(const Decoder& decoder, const Tensor& states, const Generation& generation,
                                   std::span<const int64_t> languages) {
  TORCH_INTERNAL_ASSERT(languages.empty() || std::ssize(languages) == states.size(0));
  if (states.size(0) == 0) return {};
  const at::NoGradGuard no_grad;
  Greedy greedy(decoder, states, generation);
  greedy.feed_prompt(languages);
  return greedy.write();
}

}  // namespace loralens
