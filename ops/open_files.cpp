#include "ops/open_files.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <utility>

namespace lockstep::ops {

namespace {

namespace fs = std::filesystem;

bool has_open(const fs::path& process, const struct stat& wanted) {
  std::error_code unseen;
  for (const auto& each : fs::directory_iterator(process / "fd", unseen)) {
    struct stat about {};
    if (::stat(each.path().c_str(), &about) == 0 && about.st_dev == wanted.st_dev &&
        about.st_ino == wanted.st_ino)
      return true;
  }
  return false;
}

std::string name_of(const fs::path& process) {
  std::ifstream file(process / "comm");
  std::string name;
  std::getline(file, name);
  return name;
}

}  // namespace

std::vector<std::string> who_has_open(const std::string& path) {
  struct stat wanted {};
  std::vector<std::pair<int, std::string>> found;
  if (::stat(path.c_str(), &wanted) != 0) return {};
  std::error_code unseen;
  for (const auto& process : fs::directory_iterator("/proc", unseen)) {
    const std::string digits = process.path().filename();
    int pid = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
    if (error != std::errc{} || end != digits.data() + digits.size() || pid == ::getpid()) continue;
    struct stat about {};
    const std::string name = name_of(process);
    if (name == "lockstep" || !has_open(process, wanted) ||
        ::stat(process.path().c_str(), &about) != 0)
      continue;
    found.emplace_back(pid, fmt::format("uid {}, pid {} ({})", about.st_uid, pid, name));
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> who;
  who.reserve(found.size());
  for (auto& [pid, text] : found) who.push_back(std::move(text));
  return who;
}

}  // namespace lockstep::ops
