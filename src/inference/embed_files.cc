// SPDX-License-Identifier: Apache-2.0
#include "inference/embed_files.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <algorithm>

#include "base/error.h"
#include "base/profile.h"
#include "classifier/forward.h"
#include "inference/file_batches.h"
#include "inference/predict.h"
#include "whisper/site_names.h"

namespace loralens {
namespace {

using at::Tensor;
using Mels = std::vector<Tensor>;

// The rows of one site of one file: all of them, or their sum.
class SiteRows {
 public:
  void add(const Tensor& rows, bool keep) {  // T×width of a segment
    positions_ += rows.size(0);
    if (keep)
      parts_.push_back(rows.cpu().to(c10::ScalarType::Float));
    else
      add_sum(rows.mean(0), rows.size(0));
  }
  void add_sum(const Tensor& mean, int64_t positions) {
    const Tensor part = mean.cpu().to(c10::ScalarType::Double) * static_cast<double>(positions);
    sum_ = sum_.defined() ? sum_ + part : part;
  }
  bool seen() const { return positions_ > 0; }
  Tensor values() const {
    if (!parts_.empty()) return at::cat(parts_);
    return (sum_ / static_cast<double>(positions_)).to(c10::ScalarType::Float);
  }

 private:
  int64_t positions_ = 0;
  Tensor sum_;
  std::vector<Tensor> parts_;
};

constexpr int64_t most_bytes = (int64_t{1} << 32) - (int64_t{1} << 20);  // of a file's states: an .npz holds 4 GiB

struct Embedded {
  DecodedFile file;
  int64_t positions = 0, bytes = 0;  // bytes: of the states that are kept
  std::vector<SiteRows> sites;  // of the encoder
  std::vector<Tensor> states;   // of all sites, once the file has passed
};

// Sees the sites of the encoder and gives each file its rows. owners: the file of each segment of the pass.
class Collector : public Observer {
 public:
  Collector(const Embedder& model, std::vector<Embedded*> owners) : model_(model), owners_(std::move(owners)) {}
  bool wants(const Site& site) const override {
    return has_positions(site.kind) && std::ranges::find(model_.sites, site) != model_.sites.end();
  }
  void see(const Pass& pass, const Site& site, const Tensor& value, int64_t) override {
    const auto number = std::ranges::find(model_.sites, site) - model_.sites.begin();
    int64_t row = 0;
    for (size_t segment = 0; segment < owners_.size(); ++segment) {
      const int64_t length = pass.lengths[segment];
      Embedded& owner = *owners_[segment];
      owner.bytes += model_.positions ? length * value.size(1) * static_cast<int64_t>(sizeof(float)) : 0;
      if (owner.bytes > most_bytes)
        fail("the states of its positions take over 4 GiB: choose fewer sites, or cut it into segments");
      owner.sites[number].add(value.narrow(0, row, length), model_.positions);
      row += length;
    }
  }

 private:
  const Embedder& model_;
  std::vector<Embedded*> owners_;
};

// Sees the sites after the encoder, of one clip.
class HeadCollector : public Observer {
 public:
  HeadCollector(const std::vector<Site>& sites, std::vector<Tensor>& states) : sites_(sites), states_(states) {}
  bool wants(const Site& site) const override { return std::ranges::find(sites_, site) != sites_.end(); }
  void see(const Pass&, const Site& site, const Tensor& value, int64_t) override {
    states_[std::ranges::find(sites_, site) - sites_.begin()] = value[0].cpu().to(c10::ScalarType::Float);
  }

 private:
  const std::vector<Site>& sites_;
  std::vector<Tensor>& states_;
};

class FileEmbedder {
 public:
  explicit FileEmbedder(const Embedder& model) : model_(model) {
    for (const Site& site : model.sites) {
      reads_head_ |= !has_positions(site.kind);
      reads_norm_ |= site.kind == SiteKind::final_norm;
      layers_ = std::max(layers_, has_positions(site.kind) ? site.layer + 1 : 0);
    }
    if (reads_norm_) layers_ = model.encoder.config.layers;
    if (reads_head_ && !model.head) fail("the model has no emotion head, and no states after its encoder");
  }

  // Fills in the states of the files that could be decoded.
  void operator()(std::vector<Embedded>& chunk) const {
    const at::NoGradGuard no_grad;
    const Timed time(Phase::inference);
    pass_files(chunk, [&](std::span<Embedded* const> files) { batch(files); }, [&](Embedded& one) { long_file(one); });
  }

 private:
  void batch(std::span<Embedded* const> files) const {
    std::vector<Mels> rows;
    std::vector<Embedded*> owners;
    for (Embedded* one : files) {
      one->sites.assign(model_.sites.size(), {});  // an earlier pass of the whole batch may have failed
      one->positions = one->bytes = 0;
      rows.push_back(rows_of(model_.encoder, one->file.mels, 0));
      owners.insert(owners.end(), one->file.mels.size(), one);
    }
    const Tensor means = pass(rows, owners);
    for (size_t i = 0; i < files.size(); ++i)
      finish_states(*files[i], means.defined() ? means[static_cast<int64_t>(i)].unsqueeze(0) : Tensor());
  }

  void long_file(Embedded& one) const {
    one.sites.resize(model_.sites.size());
    WindowMean mean;
    see_windows(one.file, positions_in_pass(model_.encoder.config), [&](const Mels& mels) {
      std::vector<Mels> rows;
      std::vector<int64_t> lengths;
      for (const Tensor& row : rows_of(model_.encoder, mels, 0)) {
        rows.push_back({row});
        lengths.push_back(row.size(0));
      }
      if (const Tensor means = pass(rows, std::vector(mels.size(), &one)); means.defined()) mean.add(means, lengths);
    });
    finish_states(one, reads_head_ ? mean.mean() : Tensor());
  }

  // Runs the segments of several clips through the encoder. Returns the states that the head reads, if it is read.
  Tensor pass(const std::vector<Mels>& rows, const std::vector<Embedded*>& owners) const {
    Collector collector(model_, owners);
    Taps taps;
    taps.observers.push_back(&collector);
    Batch packed = pack(rows);
    for (size_t i = 0; i < owners.size(); ++i) owners[i]->positions += packed.pass.lengths[i];
    // The pass of a head that reads the last hidden state, or all, visits every site; that of another one ends below.
    const bool visits_all = reads_head_ && !model_.head->hidden_state;
    if (visits_all) packed.pass.taps = &taps;
    const Tensor states =
        reads_head_ ? head_states({model_.encoder, model_.adapters, *model_.head}, packed.x, 0, packed.pass) : Tensor();
    if (visits_all) return states;
    packed.pass.taps = &taps;
    const Tensor x = run(model_.encoder, model_.adapters, packed.x, {0, layers_}, packed.pass);
    if (reads_norm_) finish(model_.encoder, x, packed.pass);
    return states;
  }

  // means: the pooled states that the head reads, 1×D or 1×(N+1)×D; undefined if it is not read.
  void finish_states(Embedded& one, const Tensor& means) const {
    one.states.resize(model_.sites.size());
    if (means.defined()) {
      HeadCollector collector(model_.sites, one.states);
      Taps taps;
      taps.observers.push_back(&collector);
      logits(*model_.head, means, {.lengths = {}, .keys = {}, .segments = {}, .dropout = {}, .taps = &taps});
    }
    for (size_t i = 0; i < one.states.size(); ++i) {
      const Site& site = model_.sites[i];
      if (has_positions(site.kind) && !one.sites[i].seen())
        fail("the forward pass of this model has no value at {}", text_of(site));
      if (has_positions(site.kind)) one.states[i] = one.sites[i].values();
      if (!one.states[i].isfinite().all().item<bool>())
        fail("the state at {} is not finite: check the clip, the model's files and --precision", text_of(site));
    }
    one.sites.clear();
  }

  const Embedder& model_;
  int64_t layers_ = 0;  // that are run
  bool reads_head_ = false, reads_norm_ = false;
};

}  // namespace

bool has_positions(SiteKind kind) { return kind < SiteKind::pooled; }

void embed_files(const Embedder& model, PathSource paths, int64_t threads,
                 const std::function<void(const FileStates&)>& give) {
  const WhisperConfig& config = model.encoder.config;
  const LogMel mel(config.mels);
  const FileEmbedder embed(model);
  FileDecoder decoder(std::move(paths), mel, model.input, window_samples(config), positions_in_pass(config), threads);
  for (auto files = decoder.next(); !files.empty(); files = decoder.next()) {
    std::vector<Embedded> chunk;
    for (DecodedFile& file : files)
      chunk.push_back({.file = std::move(file), .positions = 0, .bytes = 0, .sites = {}, .states = {}});
    embed(chunk);
    for (Embedded& one : chunk) give({one.file.result, one.positions, std::move(one.states)});
  }
}

}  // namespace loralens
