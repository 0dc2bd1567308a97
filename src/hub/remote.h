// SPDX-License-Identifier: Apache-2.0
// Client of the Hugging Face hub: lists and downloads the files of one model.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "hub/http.h"
#include "hub/partial_file.h"
#include "hub/whole_file.h"

namespace loralens {

// A model at HF_ENDPOINT (default https://huggingface.co), at the id's revision or the branch main. A request is tried
// four times if the server cannot be reached, the connection breaks or the status is 5xx or 429. If all four tries
// fail, functions throw Unreachable; other faults are an Error.
class RemoteModel {
 public:
  RemoteModel(const std::string& id, double first_wait_seconds);  // id: of repository_of()

  const std::string& commit() const { return commit_; }
  bool has(const std::string& file) const { return files_.contains(file); }
  RemoteFile look_up(const std::string& file) const;
  // Resumes `part` until the file is complete and checks it (fault_of). A damaged part is deleted, with an Error.
  void download(const RemoteFile& file, PartialFile& part) const;

 private:
  void list();
  HttpReply send(HttpRequest request) const;
  void check_status(const HttpReply& reply, const std::string& url) const;
  void with_retries(const std::function<void()>& attempt) const;
  std::string url_of(const std::string& file) const;

  std::string repository_, revision_, endpoint_, token_, commit_;
  double first_wait_seconds_;
  std::set<std::string> files_;
};

}  // namespace loralens
