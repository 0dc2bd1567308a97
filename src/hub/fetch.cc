// SPDX-License-Identifier: Apache-2.0
// Downloads a whole model into the Hugging Face cache or into a folder.
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <memory>
#include <string>

#include "base/digest.h"
#include "base/error.h"
#include "base/formats/json.h"
#include "base/progress.h"
#include "hub/cache_layout.h"
#include "hub/hub.h"
#include "hub/remote.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

void make_folder(const Path& folder) {
  std::error_code code;
  fs::create_directories(folder, code);
  if (code) fail("cannot create {}: {}", folder.string(), code.message());
}

// fresh: discard the part of an earlier attempt instead of resuming it.
void download_to(const RemoteModel& model, const RemoteFile& file, const Path& target, bool fresh) {
  PartialFile part(target);
  if (fresh) part.restart();
  model.download(file, part);
  part.finish();
}

// Where downloaded files are stored.
struct Destination {
  virtual ~Destination() = default;
  virtual Path folder() const = 0;
  // Stores the file unless it is already there and intact.
  virtual void take(const RemoteModel& model, const RemoteFile& file) = 0;
  virtual void finish() {}
};

// The Hugging Face cache, in the layout of Python's huggingface_hub.
class Cache : public Destination {
 public:
  Cache(const std::string& id, const std::string& commit, bool force)
      : root_(hugging_face_cache() / ("models--" + folder_name(split_revision(id).first))),
        revision_(split_revision(id).second),
        commit_(commit),
        force_(force) {
    make_folder(root_ / "blobs");
    make_folder(folder());
  }
  Path folder() const override { return root_ / "snapshots" / commit_; }
  void take(const RemoteModel& model, const RemoteFile& file) override {
    const Path blob = root_ / "blobs" / file.etag, link = folder() / file.name;
    std::error_code code;
    const bool there = fs::exists(blob, code);
    const std::string fault = there && !force_ ? fault_of(blob, file) : "";
    if (!fault.empty()) log_line(fmt::format("{} {}: fetching it again", blob.string(), fault));
    if (!there || force_ || !fault.empty()) download_to(model, file, blob, force_);
    if (!fs::equivalent(link, blob, code)) make_link(link, Path("../../blobs") / file.etag);
  }
  void finish() override {
    if (is_commit(revision_)) return;
    const Path ref = root_ / "refs" / (revision_.empty() ? "main" : revision_);
    std::error_code code;
    if (fs::exists(ref, code) && read_file(ref) == commit_) return;  // no write: the cache may be read-only
    make_folder(ref.parent_path());
    write_file(ref, commit_);
  }

 private:
  // Creates or replaces a link atomically, since another process may do the same.
  static void make_link(const Path& link, const Path& target) {
    const Path temporary = fmt::format("{}.{}", link.string(), ::getpid());
    std::error_code code;
    fs::create_symlink(target, temporary, code);
    if (!code) fs::rename(temporary, link, code);
    if (!code) return;
    std::error_code ignored;
    fs::remove(temporary, ignored);
    fail("cannot make the link {}: {}; use --to DIR for plain files", link.string(), code.message());
  }

  Path root_;
  std::string revision_, commit_;
  bool force_;
};

// A folder of plain files.
class PlainFolder : public Destination {
 public:
  PlainFolder(const Path& folder, bool force) : folder_(folder), force_(force) {
    // The configuration is downloaded last, so a folder that has it holds a complete model or adapter.
    if (!force && (fs::exists(folder / "config.json") || fs::exists(folder / "adapter_config.json")))
      fail("{} holds a model already: choose another folder, or give --force to replace it", folder.string());
    make_folder(folder);
  }
  Path folder() const override { return folder_; }
  void take(const RemoteModel& model, const RemoteFile& file) override {
    const Path target = folder_ / file.name;
    const fs::file_status there = fs::symlink_status(target);
    if (!fs::exists(there)) return download_to(model, file, target, force_);
    if (!fs::is_regular_file(there)) fail("{} exists already and is no file: choose another folder", target.string());
    if (force_) return download_to(model, file, target, force_);
    const bool same = file.sha256.empty() ? is_what_comes(model, file, target) : fault_of(target, file).empty();
    if (!same)
      fail("{} is another file than the hub's: choose another folder, or give --force to replace it", target.string());
  }

 private:
  // Whether `target` equals the file on the hub, for files without a checksum: downloads it and compares.
  static bool is_what_comes(const RemoteModel& model, const RemoteFile& file, const Path& target) {
    PartialFile part(target);
    model.download(file, part);
    const bool same = sha256_of_file(part.path()) == sha256_of_file(target);
    part.restart();
    return same;
  }

  Path folder_;
  bool force_;
};

void take_weights(const RemoteModel& model, const std::string& repository, Destination& destination) {
  const std::string single = "model.safetensors", index = "model.safetensors.index.json";
  if (model.has(single)) return destination.take(model, model.look_up(single));
  if (!model.has(index))
    fail(
        "{} has no {}: if it has pytorch_model.bin, download that and config.json into a folder, and convert it with "
        "'loralens import FOLDER --to DIR'",
        repository, single);
  destination.take(model, model.look_up(index));
  for (const auto& shard : shards_of(read_file(destination.folder() / index), repository + "/" + index))
    destination.take(model, model.look_up(shard));
}

// Downloads the files of a PEFT adapter, and logs the base model that it names.
void take_adapter(const RemoteModel& model, const std::string& repository, Destination& destination) {
  const std::string settings = "adapter_config.json";
  const bool safe = model.has("adapter_model.safetensors");
  if (!safe && !model.has("adapter_model.bin"))
    fail("{} has an {} and no weights of an adapter (adapter_model.safetensors, adapter_model.bin)", repository,
         settings);
  destination.take(model, model.look_up(safe ? "adapter_model.safetensors" : "adapter_model.bin"));
  for (const char* file : {"head.safetensors", "config.json"})  // of an adapter that loralens trained
    if (model.has(file)) destination.take(model, model.look_up(file));
  destination.take(model, model.look_up(settings));
  const auto config = read_json_object(destination.folder() / settings);
  const auto base = config.find("base_model_name_or_path");
  const std::string name = base != config.end() && base->is_string() ? shown_json(*base) : "(which it does not name)";
  log_line(
      fmt::format("{} is a PEFT adapter of the base model {}: 'predict', 'analyze' and 'train --from' take its "
                  "folder, with the base model as --model",
                  repository, name));
}

Path fetch_from_hub(const std::string& repository, const FetchOptions& options) {
  const RemoteModel model(repository, options.first_wait_seconds);
  const bool adapter =
      model.has("adapter_config.json") && !model.has("model.safetensors") && !model.has("model.safetensors.index.json");
  if (!adapter && !model.has("config.json"))
    fail("{} has no config.json, so it is no model for transformers", repository);
  std::unique_ptr<Destination> destination;
  if (options.to)
    destination = std::make_unique<PlainFolder>(*options.to, options.force);
  else
    destination = std::make_unique<Cache>(repository, model.commit(), options.force);
  if (adapter) {
    take_adapter(model, repository, *destination);
    destination->finish();
    return destination->folder();
  }
  for (const char* file : {"preprocessor_config.json", "generation_config.json", "tokenizer.json"})
    if (model.has(file)) destination->take(model, model.look_up(file));
  take_weights(model, repository, *destination);
  destination->take(model, model.look_up("config.json"));
  destination->finish();
  return destination->folder();
}

bool is_offline() {
  const char* value = std::getenv("HF_HUB_OFFLINE");
  std::string text = value ? value : "";
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text == "1" || text == "ON" || text == "YES" || text == "TRUE";
}

// The folder of a model on this machine, checked without the hub. Error if a file is damaged.
Path checked(const Path& folder, const std::string& name) {
  if (const std::string fault = fault_of_snapshot(folder); !fault.empty())
    fail("{}: run 'loralens fetch {} --force' where the hub can be reached, without HF_HUB_OFFLINE", fault, name);
  return folder;
}

}  // namespace

Path fetch_model(const std::string& name, const FetchOptions& options) {
  const std::string repository = repository_of(name);
  const auto present = options.to ? std::nullopt : find_model(repository);
  if (is_offline()) {
    if (present) return checked(*present, name);
    fail("HF_HUB_OFFLINE is set, so {} cannot be fetched: unset it", repository);
  }
  try {
    return fetch_from_hub(repository, options);
  } catch (const Unreachable& error) {
    if (!present)
      fail(
          "the hub cannot be reached: {}; check the connection, https_proxy and HF_ENDPOINT, and run the same command "
          "again (partial downloads are kept)",
          error.what());
    log_line(fmt::format("the hub cannot be reached: {}; using the model on this machine", error.what()));
    return checked(*present, name);
  }
}

}  // namespace loralens
