// Where a model name lives on disk, and its download from the Hugging Face hub.
#pragma once

#include <optional>
#include <string>

#include "base/files.h"

namespace loralens {

// The Hugging Face id of a model: "base" is "openai/whisper-base" (tiny base small medium, each also with .en; large
// large-v2 large-v3 large-v3-turbo), "organisation/name" is itself. Error for anything else.
std::string repository_of(const std::string& name);

// The folder of a model, without any network; nothing if it is not on this machine. Looked for in this order:
// a folder `name` that has config.json; the cache that Python's huggingface_hub uses ($HF_HUB_CACHE, $HF_HOME/hub,
// $XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub), branch main; cache_folder()/models/organisation--name.
// A folder in a cache counts if config.json and all its weights (safetensors) are there.
std::optional<Path> find_model(const std::string& name);

// The same, or an Error that says what was looked for and how to get it.
Path resolve_model(const std::string& name);

struct FetchOptions {
  std::optional<Path> to = {};    // plain files in this folder instead of the Hugging Face cache
  bool force = false;             // fetch every file again, and into `to` though a model is there
  double first_wait_seconds = 1;  // before the second try of a failed request; doubled for each that follows
};

// Downloads config.json, the weights (model.safetensors or its shards) and, where the model has them,
// preprocessor_config.json, generation_config.json and tokenizer.json. Returns their folder. Files that are complete
// are not fetched again, partial ones are continued. What is in the cache is checked like what arrives (fault_of) and
// fetched again if it is damaged.
// Environment: HF_ENDPOINT, HF_TOKEN (sent to the endpoint only), HF_HUB_OFFLINE. When offline or the hub cannot be
// reached, a model that is already on this machine is returned (unless `to` is given), if fault_of_snapshot finds none.
// Error if the model does not exist, needs a token, has no safetensors, or a file arrives damaged.
Path fetch_model(const std::string& name, const FetchOptions& options);

}  // namespace loralens
