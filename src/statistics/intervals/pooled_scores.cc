// SPDX-License-Identifier: Apache-2.0
#include "statistics/intervals/pooled_scores.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "base/error.h"

namespace loralens {
namespace {

std::vector<int64_t> clips_by_class(const Confusion& confusion) {
  std::vector<int64_t> clips(confusion.classes);
  for (size_t i = 0; i < confusion.counts.size(); ++i) clips[i / clips.size()] += confusion.counts[i];
  return clips;
}

Confusion subtracted(Confusion all, const Confusion& part) {
  for (size_t i = 0; i < all.counts.size(); ++i) all.counts[i] -= part.counts[i];
  return all;
}

// The first class with clips in `all` and none in `rest`; -1 if there is none.
int64_t missing_class(const Confusion& all, const Confusion& rest) {
  const auto before = clips_by_class(all), after = clips_by_class(rest);
  for (size_t c = 0; c < before.size(); ++c)
    if (before[c] > 0 && after[c] == 0) return static_cast<int64_t>(c);
  return -1;
}

int64_t clips_of(const Confusion& confusion) {
  return std::accumulate(confusion.counts.begin(), confusion.counts.end(), int64_t{0});
}

}  // namespace

double score_of(Score score, const Confusion& confusion) {
  switch (score) {
    case Score::uar: return uar(confusion);
    case Score::war: return war(confusion);
    case Score::macro_f1: return macro_f1(confusion);
  }
  fail("an unknown score");
}

double PooledScores::value() const {
  return std::accumulate(whole.begin(), whole.end(), 0.0) / static_cast<double>(runs);
}

std::vector<double> PooledScores::contributions() const {
  const auto count = static_cast<double>(speakers);
  std::vector<double> result;
  for (size_t i = 0; i < without.size(); ++i) result.push_back(count * whole[i / speakers] - (count - 1) * without[i]);
  return result;
}

OrReason<PooledScores> pooled_scores(std::span<const std::vector<Confusion>> runs, Score score) {
  if (runs.empty()) fail("there is no run to score");
  PooledScores result{std::ssize(runs), std::ssize(runs[0]), {}, {}};
  for (const auto& speakers : runs) {
    if (std::ssize(speakers) != result.speakers)
      fail("runs of {} and {} speakers cannot be averaged: compare runs on the same clips", result.speakers,
           speakers.size());
    const Confusion all = pooled(speakers);
    result.whole.push_back(score_of(score, all));
    for (const Confusion& speaker : speakers) {
      const Confusion rest = subtracted(all, speaker);
      if (clips_of(rest) == 0)
        return OrReason<PooledScores>::none("all clips are of one speaker, so speakers cannot be compared");
      if (const int64_t c = missing_class(all, rest); c >= 0 && score != Score::war)
        return OrReason<PooledScores>::none(
            fmt::format("all clips of class {} are of one speaker, so the score without this speaker is not the same "
                        "score",
                        c));
      result.without.push_back(score_of(score, rest));
    }
  }
  return {std::move(result), ""};
}

OrReason<PooledScores> pooled_means(std::span<const double> sums, std::span<const int64_t> clips) {
  const size_t speakers = clips.size();
  if (speakers == 0 || sums.empty() || sums.size() % speakers != 0)
    fail("{} sums do not belong to {} speakers in each run", sums.size(), speakers);
  const auto total = static_cast<double>(std::accumulate(clips.begin(), clips.end(), int64_t{0}));
  for (const int64_t count : clips)
    if (count <= 0) fail("a speaker has {} clips", count);
  if (speakers == 1)
    return OrReason<PooledScores>::none("all clips are of one speaker, so speakers cannot be compared");
  PooledScores result{std::ssize(sums) / std::ssize(clips), std::ssize(clips), {}, {}};
  for (size_t run = 0; run < sums.size(); run += speakers) {
    const auto of_run = sums.subspan(run, speakers);
    const double sum = std::accumulate(of_run.begin(), of_run.end(), 0.0);
    result.whole.push_back(sum / total);
    for (size_t s = 0; s < speakers; ++s)
      result.without.push_back((sum - of_run[s]) / (total - static_cast<double>(clips[s])));
  }
  return {std::move(result), ""};
}

PooledScores weighted_sum(std::span<const std::pair<PooledScores, double>> terms) {
  if (terms.empty()) fail("a sum of scores needs at least one score");
  PooledScores result = terms.front().first;
  std::ranges::fill(result.whole, 0);
  std::ranges::fill(result.without, 0);
  for (const auto& [scores, weight] : terms) {
    if (scores.runs != result.runs || scores.speakers != result.speakers)
      fail("{} runs of {} speakers cannot be paired with {} runs of {} speakers: compare runs on the same clips",
           result.runs, result.speakers, scores.runs, scores.speakers);
    for (size_t i = 0; i < result.whole.size(); ++i) result.whole[i] += weight * scores.whole[i];
    for (size_t i = 0; i < result.without.size(); ++i) result.without[i] += weight * scores.without[i];
  }
  return result;
}

PooledScores difference(const PooledScores& first, const PooledScores& second) {
  return weighted_sum(std::array{std::pair{first, 1.0}, std::pair{second, -1.0}});
}

}  // namespace loralens
