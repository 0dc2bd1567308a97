// SPDX-License-Identifier: Apache-2.0
#include "training/batches/balance.h"

#include <map>
#include <numeric>

#include "base/error.h"
#include "base/random.h"

namespace loralens {
namespace {

int64_t rounded_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

// The cell's clips in the shuffled order of pass `number` over them. place: index of the cell.
std::vector<int64_t> shuffled_clips(const SampleCell& cell, uint64_t seed, size_t place, int64_t number) {
  std::vector<int64_t> clips = cell.clips;
  Random random(hash_of(seed, hash_of("balance"), place, number));
  random.shuffle(clips);
  return clips;
}

}  // namespace

Balance parse_balance(const std::string& text) {
  if (text == "none") return Balance::none;
  if (text == "corpora") return Balance::corpora;
  if (text == "classes") return Balance::classes;
  if (text == "corpora,classes") return Balance::corpora_and_classes;
  fail("--balance '{}' is not known: choose none, corpora, classes or corpora,classes", text);
}

std::vector<SampleCell> sample_cells(std::span<const int64_t> clips, std::span<const int64_t> corpus_of,
                                     std::span<const int64_t> class_of, Balance balance) {
  if (balance == Balance::none) return {};
  if (clips.empty()) fail("there is no clip to draw");
  const bool by_corpus = balance != Balance::classes, by_class = balance != Balance::corpora;
  std::map<int64_t, std::map<int64_t, SampleCell>> corpora;  // corpus -> class -> cell; key 0 if not balanced by it
  for (const int64_t clip : clips)
    corpora[by_corpus ? corpus_of[clip] : 0][by_class ? class_of[clip] : 0].clips.push_back(clip);
  // All corpora get the same number of draws, which must be a multiple of the number of classes of each.
  int64_t step = 1;
  for (const auto& [corpus, cells] : corpora) step = std::lcm(step, std::ssize(cells));
  const int64_t count = std::ssize(corpora);
  const int64_t draws = rounded_up((std::ssize(clips) + count - 1) / count, step);
  std::vector<SampleCell> result;
  for (auto& [corpus, cells] : corpora)
    for (auto& [number, cell] : cells) {
      cell.draws = draws / std::ssize(cells);
      result.push_back(std::move(cell));
    }
  return result;
}

std::vector<int64_t> draw_epoch(std::span<const SampleCell> cells, uint64_t seed, int64_t epoch) {
  std::vector<int64_t> drawn;
  for (size_t place = 0; place < cells.size(); ++place) {
    const SampleCell& cell = cells[place];
    const int64_t size = std::ssize(cell.clips);
    std::vector<int64_t> clips;
    for (int64_t draw = epoch * cell.draws; draw < (epoch + 1) * cell.draws; ++draw) {
      const int64_t index = ((draw % size) + size) % size;  // draws before epoch 0 have negative numbers
      if (clips.empty() || index == 0) clips = shuffled_clips(cell, seed, place, (draw - index) / size);
      drawn.push_back(clips[index]);
    }
  }
  return drawn;
}

}  // namespace loralens
