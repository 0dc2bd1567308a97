// SPDX-License-Identifier: Apache-2.0
// Finds a model by name on disk and downloads models from the Hugging Face hub.
#pragma once

#include <optional>
#include <string>

#include "base/files.h"

namespace loralens {

// The Hugging Face id of a model: "openai/whisper-base" for "base" (also tiny small medium, each also with .en; large
// large-v2 large-v3 large-v3-turbo); "organisation/name" is returned unchanged. Either may end in "@" and a revision: a
// branch, a tag or a commit. Error for anything else.
std::string repository_of(const std::string& name);

// An id of repository_of() without its revision, for comparisons of ids.
std::string without_revision(const std::string& id);

// The folder of a model on this machine, without network access; nullopt if there is none. Searched in this order:
// a folder `name` that has config.json; the cache that Python's huggingface_hub uses ($HF_HUB_CACHE,
// $HUGGINGFACE_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub), at the revision or,
// without one, at the branch main (if the cache records none, its only snapshot); without a revision,
// cache_folder()/models/organisation--name. A folder in a cache is accepted if it has config.json and all weights
// (safetensors).
std::optional<Path> find_model(const std::string& name);

// The same, but Error, with the searched folders and the command to download the model, if there is none. If the cache
// has several snapshots and does not record which of them is the branch main, the error lists their folders.
Path resolve_model(const std::string& name);

struct FetchOptions {
  std::optional<Path> to = {};  // folder for plain files, instead of the Hugging Face cache
  bool force = false;  // download every file again, and replace a model in `to`
  double first_wait_seconds = 1;  // before the first retry of a failed request; doubled for each further retry
};

// Downloads config.json, the weights (model.safetensors or its shards) and, where the model has them,
// preprocessor_config.json, generation_config.json and tokenizer.json; of a repository with an adapter of PEFT alone,
// adapter_config.json and the adapter's weights, and logs the name of its base model. Returns their folder. Complete
// files are not downloaded again, partial downloads are resumed. Files in the cache are checked like downloaded ones
// (fault_of) and downloaded again if they are damaged.
// Environment: HF_ENDPOINT, HF_HUB_OFFLINE, and the token, of HF_TOKEN, else of the file HF_TOKEN_PATH, else of the
// file `token` in $HF_HOME (~/.cache/huggingface). It is sent to the endpoint alone, and only if that is https or this
// machine. If HF_HUB_OFFLINE is set or the hub cannot be reached, a model on this machine is returned (unless `to` is
// given), provided that fault_of_snapshot finds no fault. Error if the model does not exist, needs a token or has no
// safetensors, or if a downloaded file is damaged.
Path fetch_model(const std::string& name, const FetchOptions& options);

}  // namespace loralens
