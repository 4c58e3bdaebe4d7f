// A private temporary folder, removed with everything in it when the object goes.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace lockstep::test {

/// Removes `folder` and everything in it; never throws.
void remove_folder(const std::filesystem::path& folder) noexcept;

/// True if the environment asks for folders to be kept (LOCKSTEP_KEEP).
[[nodiscard]] bool keep_folders();

/// `<TMPDIR>/ls-<6 letters>`, mode 0700. The path is short, so that a Unix socket fits below it.
/// With LOCKSTEP_KEEP in the environment the folder stays, and its path is printed.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::string file(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace lockstep::test
