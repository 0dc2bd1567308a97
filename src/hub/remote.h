// A model's files on the Hugging Face hub: what there is, and the way to get it.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "hub/http.h"
#include "hub/partial_file.h"
#include "hub/whole_file.h"

namespace loralens {

// One model at HF_ENDPOINT (https://huggingface.co), branch main. Requests that find no server, a broken connection or
// a status 5xx or 429 are tried four times. Error, or Unreachable after the last try, from every function.
class RemoteModel {
 public:
  RemoteModel(std::string repository, double first_wait_seconds);

  const std::string& commit() const { return commit_; }
  bool has(const std::string& file) const { return files_.count(file) > 0; }
  RemoteFile look_up(const std::string& file) const;
  // Continues `part` to the whole file and checks it (fault_of); a damaged part is deleted.
  void download(const RemoteFile& file, PartialFile& part) const;

 private:
  void list();
  HttpReply send(HttpRequest request) const;
  void check_status(const HttpReply& reply, const std::string& url) const;
  void with_retries(const std::function<void()>& attempt) const;
  std::string url_of(const std::string& file) const;

  std::string repository_, endpoint_, token_, commit_;
  double first_wait_seconds_;
  std::set<std::string> files_;
};

}  // namespace loralens
