// SPDX-License-Identifier: Apache-2.0
#include "inference/forward_files.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/parallel.h"
#include "inference/decoded_files.h"
#include "inference/packing.h"
#include "whisper/site_names.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr size_t files_at_once = 32;  // decoded together, then cut into batches

// Cuts the value of a batch at a site into those of its clips.
class ClipsOfBatch {
 public:
  // files: for each clip of the batch, its place in the request.
  ClipsOfBatch(const ForwardRequest& request, std::vector<int64_t> files)
      : request_(request), files_(std::move(files)) {}

  const std::vector<int64_t>& files() const { return files_; }
  const std::string& name(int64_t file) const { return request_.files[file]; }

  // The clips' values of a tensor with all rows, in the batch's order.
  std::vector<Tensor> split(const Pass& pass, const Site& site, const Tensor& value) const {
    if (site.kind >= SiteKind::pooled) return value.unbind();
    std::vector<int64_t> rows;  // of each clip
    auto length = pass.lengths.begin();
    for (const int64_t segments : pass.segments) {
      rows.push_back(std::accumulate(length, length + segments, int64_t{0}));
      length += segments;
    }
    return value.split_with_sizes(rows);
  }

  // The clip of a segment. Error if it has several.
  int64_t file_of_segment(const Pass& pass, int64_t segment, const Site& site) const {
    if (std::ranges::any_of(pass.segments, [](int64_t segments) { return segments > 1; }))
      fail("{}: {} is a value of one window, and the file is longer: leave it out", name(files_.front()),
           text_of(site));
    return files_[segment];
  }

 private:
  const ForwardRequest& request_;
  std::vector<int64_t> files_;
};

class Patches : public Intervention {
 public:
  Patches(const ForwardRequest& request, const ClipsOfBatch& clips, std::set<Site>& visited)
      : request_(request), clips_(clips), visited_(visited) {}

  bool wants(const Site& site) const override {
    return std::ranges::any_of(request_.patches, [&](const SitePatch& patch) { return patch.site == site; });
  }

  Tensor replace(const Pass& pass, const Site& site, const Tensor& value, int64_t segment) override {
    visited_.insert(site);
    Tensor patched = value;
    for (const SitePatch& patch : request_.patches)
      if (patch.site == site) patched = replaced(pass, patch, patched, segment);
    return patched;
  }

 private:
  Tensor replaced(const Pass& pass, const SitePatch& patch, const Tensor& value, int64_t segment) const {
    if (segment >= 0) return of_file(patch, value, clips_.file_of_segment(pass, segment, patch.site));
    std::vector<Tensor> parts = clips_.split(pass, patch.site, value);
    for (size_t i = 0; i < parts.size(); ++i) parts[i] = of_file(patch, parts[i], clips_.files()[i]);
    return patch.site.kind >= SiteKind::pooled ? at::stack(parts) : at::cat(parts);
  }

  Tensor of_file(const SitePatch& patch, const Tensor& value, int64_t file) const {
    const Tensor replaced = patch.replace(value.clone(), file);
    if (replaced.sizes() != value.sizes())
      fail("{}: the patch of {} gives a tensor of shape {} for one of shape {}: give the same shape", clips_.name(file),
           text_of(patch.site), fmt::join(replaced.sizes(), "×"), fmt::join(value.sizes(), "×"));
    return replaced.to(value.options());
  }

  const ForwardRequest& request_;
  const ClipsOfBatch& clips_;
  std::set<Site>& visited_;
};

class Values : public Observer {
 public:
  Values(const ForwardRequest& request, const ClipsOfBatch& clips, std::set<Site>& visited, ForwardResult& result)
      : request_(request), clips_(clips), visited_(visited), result_(result) {}

  bool wants(const Site& site) const override { return std::ranges::count(request_.sites, site) > 0; }

  void see(const Pass& pass, const Site& site, const Tensor& value, int64_t segment) override {
    visited_.insert(site);
    for (size_t s = 0; s < request_.sites.size(); ++s)
      if (request_.sites[s] == site) keep(pass, site, value, segment, result_.values[s]);
  }

 private:
  void keep(const Pass& pass, const Site& site, const Tensor& value, int64_t segment, std::vector<Tensor>& kept) const {
    if (segment >= 0) {
      kept[clips_.file_of_segment(pass, segment, site)] = value;
      return;
    }
    const std::vector<Tensor> parts = clips_.split(pass, site, value);
    for (size_t i = 0; i < parts.size(); ++i) kept[clips_.files()[i]] = parts[i];
  }

  const ForwardRequest& request_;
  const ClipsOfBatch& clips_;
  std::set<Site>& visited_;
  ForwardResult& result_;
};

class ForwardPass {
 public:
  ForwardPass(const Network& network, const InputOptions& input, const ForwardRequest& request)
      : network_(network), input_(input), request_(request), mel_(network.encoder.config.mels) {
    result_.values.resize(request.sites.size());
    for (auto& values : result_.values) values.resize(request.files.size());
    logits_.resize(request.files.size());
  }

  ForwardResult run() {
    const at::NoGradGuard no_grad;
    for (size_t first = 0; first < request_.files.size(); first += files_at_once)
      chunk(first, std::min(files_at_once, request_.files.size() - first));
    check_visited();
    result_.logits = at::stack(logits_);
    return std::move(result_);
  }

 private:
  void chunk(size_t first, size_t count) {
    std::vector<std::vector<Tensor>> mels(count);
    std::vector<int64_t> lengths(count);
    parallel_for(count, request_.threads, [&](size_t i) {
      const at::NoGradGuard no_grad;
      const Clip clip = clip_of_id(request_.files[first + i]);
      mels[i] = mel_segments(clip, mel_, input_, window_samples(network_.encoder.config));
      for (const Tensor& mel : mels[i]) lengths[i] += mel.size(1) / 2;
    });
    for (const auto& places : batches_by_length(lengths)) {
      std::vector<int64_t> files;
      std::vector<std::vector<Tensor>> rows;
      for (const int64_t place : places) {
        files.push_back(static_cast<int64_t>(first) + place);
        rows.push_back(rows_of(network_.encoder, mels[place], 0));
      }
      batch(pack(rows), ClipsOfBatch(request_, std::move(files)));
    }
  }

  void batch(Batch batch, const ClipsOfBatch& clips) {
    Patches patches(request_, clips, visited_);
    Values values(request_, clips, visited_, result_);
    const Taps taps{{&patches}, {&values}};
    batch.pass.taps = &taps;
    const std::vector<Tensor> logits = logits_from(network_, batch.x, 0, batch.pass).unbind();
    for (size_t i = 0; i < logits.size(); ++i) logits_[clips.files()[i]] = logits[i];
  }

  void check_visited() const {
    std::vector<Site> asked = request_.sites;
    for (const SitePatch& patch : request_.patches) asked.push_back(patch.site);
    for (const Site& site : asked) {
      if (visited_.contains(site)) continue;
      const bool adapter = site.module != Module::none;
      fail("{} is no part of this forward pass: {}", text_of(site),
           adapter ? "there is no adapter with two factors on that linear layer, or the adapters are off"
                   : "the head reads a hidden state below it");
    }
  }

  const Network& network_;
  const InputOptions& input_;
  const ForwardRequest& request_;
  const LogMel mel_;
  std::vector<Tensor> logits_;  // C each
  std::set<Site> visited_;
  ForwardResult result_;
};

}  // namespace

ForwardResult forward_files(const Network& network, const InputOptions& input, const ForwardRequest& request) {
  if (request.files.empty()) fail("there is no file for the forward pass: give at least one");
  return ForwardPass(network, input, request).run();
}

}  // namespace loralens
