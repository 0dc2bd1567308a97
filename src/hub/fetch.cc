// The download of a whole model, into the shared cache or a folder.
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <memory>
#include <string>

#include "base/digest.h"
#include "base/error.h"
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

void download_to(const RemoteModel& model, const RemoteFile& file, const Path& target) {
  PartialFile part(target);
  model.download(file, part);
  part.finish();
}

// Where the files go.
struct Destination {
  virtual ~Destination() = default;
  virtual Path folder() const = 0;
  // Puts the file in place unless it is there.
  virtual void take(const RemoteModel& model, const RemoteFile& file) = 0;
  virtual void finish() {}
};

// The Hugging Face cache, as Python's huggingface_hub keeps it.
class Cache : public Destination {
 public:
  Cache(const std::string& repository, const std::string& commit)
      : root_(hugging_face_cache() / ("models--" + folder_name(repository))), commit_(commit) {
    make_folder(root_ / "blobs");
    make_folder(folder());
  }
  Path folder() const override { return root_ / "snapshots" / commit_; }
  void take(const RemoteModel& model, const RemoteFile& file) override {
    const Path blob = root_ / "blobs" / file.etag, link = folder() / file.name;
    if (!fs::exists(blob)) download_to(model, file, blob);
    if (fs::exists(link)) return;
    std::error_code code;
    fs::remove(link, code);  // a link that leads nowhere
    fs::create_symlink(Path("../../blobs") / file.etag, link, code);
    if (code) fail("cannot make the link {}: {}; use --to DIR for plain files", link.string(), code.message());
  }
  void finish() override {
    make_folder(root_ / "refs");
    write_file(root_ / "refs" / "main", commit_);
  }

 private:
  Path root_;
  std::string commit_;
};

// A folder of plain files.
class PlainFolder : public Destination {
 public:
  PlainFolder(const Path& folder, bool force) : folder_(folder), force_(force) {
    // config.json is the last file to come: with it the folder is a whole model.
    if (!force && fs::exists(folder / "config.json"))
      fail("{} holds a model already: choose another folder, or give --force to replace it", folder.string());
    make_folder(folder);
  }
  Path folder() const override { return folder_; }
  void take(const RemoteModel& model, const RemoteFile& file) override {
    const Path target = folder_ / file.name;
    const fs::file_status there = fs::symlink_status(target);
    if (!fs::exists(there)) return download_to(model, file, target);
    if (!fs::is_regular_file(there)) fail("{} is in the way and is no file: choose another folder", target.string());
    if (!file.sha256.empty() && sha256_of_file(target) == file.sha256) return;
    if (force_) return download_to(model, file, target);
    if (!file.sha256.empty() || !is_what_comes(model, file, target))
      fail("{} is another file than the hub's: choose another folder, or give --force to replace it", target.string());
  }

 private:
  // Of a file without a checksum, which may be of an earlier try.
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
    fail("{} has no {}: convert it in Python with from_pretrained() and save_pretrained(DIR), and use DIR", repository,
         single);
  destination.take(model, model.look_up(index));
  for (const auto& shard : shards_of(read_file(destination.folder() / index), repository + "/" + index))
    destination.take(model, model.look_up(shard));
}

Path fetch_from_hub(const std::string& repository, const FetchOptions& options) {
  const RemoteModel model(repository, options.first_wait_seconds);
  if (!model.has("config.json")) fail("{} has no config.json, so it is no model for transformers", repository);
  std::unique_ptr<Destination> destination;
  if (options.to)
    destination = std::make_unique<PlainFolder>(*options.to, options.force);
  else
    destination = std::make_unique<Cache>(repository, model.commit());
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

}  // namespace

Path fetch_model(const std::string& name, const FetchOptions& options) {
  const std::string repository = repository_of(name);
  const auto present = options.to ? std::nullopt : find_model(repository);
  if (is_offline()) {
    if (present) return *present;
    fail("HF_HUB_OFFLINE is set, so {} cannot be fetched: unset it", repository);
  }
  try {
    return fetch_from_hub(repository, options);
  } catch (const Unreachable& error) {
    if (!present)
      fail("the hub cannot be reached: {}; check the connection, https_proxy and HF_ENDPOINT, and run the same command "
           "again (what has arrived is kept)",
           error.what());
    log_line(fmt::format("the hub cannot be reached: {}; using the model that is here", error.what()));
    return *present;
  }
}

}  // namespace loralens
