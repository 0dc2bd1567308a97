// SPDX-License-Identifier: Apache-2.0
// Finds a model by name on disk and downloads models from the Hugging Face hub.
#pragma once

#include <optional>
#include <string>

#include "base/files.h"

namespace loralens {

// The Hugging Face id of a model: "openai/whisper-base" for "base" (also tiny small medium, each also with .en; large
// large-v2 large-v3 large-v3-turbo); "organisation/name" is returned unchanged. Error for anything else.
std::string repository_of(const std::string& name);

// The folder of a model on this machine, without network access; nullopt if there is none. Searched in this order:
// a folder `name` that has config.json; the cache that Python's huggingface_hub uses ($HF_HUB_CACHE, $HF_HOME/hub,
// $XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub), branch main; cache_folder()/models/organisation--name.
// A folder in a cache is accepted if it has config.json and all weights (safetensors).
std::optional<Path> find_model(const std::string& name);

// The same, but Error, with the searched folders and the command to download the model, if there is none.
Path resolve_model(const std::string& name);

struct FetchOptions {
  std::optional<Path> to = {};    // folder for plain files, instead of the Hugging Face cache
  bool force = false;             // download every file again, and replace a model in `to`
  double first_wait_seconds = 1;  // before the first retry of a failed request; doubled for each further retry
};

// Downloads config.json, the weights (model.safetensors or its shards) and, where the model has them,
// preprocessor_config.json, generation_config.json and tokenizer.json. Returns their folder. Complete files
// are not downloaded again, partial downloads are resumed. Files in the cache are checked like downloaded ones
// (fault_of) and downloaded again if they are damaged.
// Environment: HF_ENDPOINT, HF_TOKEN (sent to the endpoint only), HF_HUB_OFFLINE. If HF_HUB_OFFLINE is set or the hub
// cannot be reached, a model on this machine is returned (unless `to` is given), provided that fault_of_snapshot finds
// no fault. Error if the model does not exist, needs a token or has no safetensors, or if a downloaded file is damaged.
Path fetch_model(const std::string& name, const FetchOptions& options);

}  // namespace loralens
