// SPDX-License-Identifier: Apache-2.0
// For tests: temporary and given folders, and the message of an error.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/error.h"
#include "base/files.h"

namespace loralens {

// An empty temporary folder for the current test, removed by the destructor.
class TestFolder {
 public:
  TestFolder() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::temp_directory_path() /
            fmt::format("loralens-{}-{}-{}", test->test_suite_name(), test->name(), ::getpid());
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const Path& path() const { return path_; }
  // Writes a file and creates its parent folders. Returns its path.
  Path write(const std::string& name, std::string_view bytes) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    write_file(path_ / name, bytes);
    return path_ / name;
  }

 private:
  Path path_;
};

// The folder that an environment variable names (ctest sets it), else `otherwise`, relative to the working directory,
// which is the project's folder where a test program is run by hand.
inline Path given_folder(const char* variable, const char* otherwise) {
  const char* value = std::getenv(variable);
  return value ? value : otherwise;
}

// The folder of real speech; it need not exist.
inline Path shared_folder() { return given_folder("LORALENS_SHARED", "../shared"); }

}  // namespace loralens
