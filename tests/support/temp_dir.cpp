#include "tests/support/temp_dir.hpp"

#include <fmt/format.h>
#include <stdlib.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

namespace lockstep::test {

void remove_folder(const std::filesystem::path& folder) noexcept {
  std::error_code failure;
  std::filesystem::remove_all(folder, failure);
  if (failure) fmt::print(stderr, "cannot remove {}: {}\n", folder.string(), failure.message());
}

bool keep_folders() {
  const char* keep = std::getenv("LOCKSTEP_KEEP");
  return keep != nullptr && *keep != '\0';
}

TempDir::TempDir() {
  std::string name = (std::filesystem::temp_directory_path() / "ls-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    throw std::system_error(errno, std::generic_category(), "mkdtemp " + name);
  path_ = name;
}

TempDir::~TempDir() {
  if (keep_folders())
    fmt::print(stderr, "kept (LOCKSTEP_KEEP): {}\n", path_.string());
  else
    remove_folder(path_);
}

}  // namespace lockstep::test
