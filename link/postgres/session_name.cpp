#include "link/postgres/session_name.hpp"

#include <fmt/format.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace lockstep::postgres {

namespace {

constexpr std::size_t kSessionNameBytesMax = 63;  // the server cuts there

std::string host_name() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  return host.data();
}

std::string find_place() {
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  std::error_code failed;
  const std::string pids = std::filesystem::read_symlink("/proc/self/ns/pid", failed).string();
  if (boot.empty() || pids.empty()) return {};
  const std::string all = fmt::format("{}\n{}\n{}", host_name(), boot, pids);
  return fmt::format("{:016x}", XXH3_64bits(all.data(), all.size()));
}

}  // namespace

std::string session_name(std::string_view purpose, std::string_view host, std::string_view place,
                         pid_t pid) {
  const std::string head = fmt::format("lockstep {} ", purpose);
  const std::string tail =
      place.empty() ? fmt::format(":{}", pid) : fmt::format("/{}:{}", place, pid);
  const std::size_t used = std::min(head.size() + tail.size(), kSessionNameBytesMax);
  return fmt::format("{}{}{}", head, host.substr(0, kSessionNameBytesMax - used), tail);
}

std::optional<pid_t> process_at(std::string_view place, std::string_view application_name) {
  if (place.empty()) return std::nullopt;
  const std::string marker = fmt::format("/{}:", place);
  const std::size_t at = application_name.rfind(marker);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view digits = application_name.substr(at + marker.size());
  const char* const last = digits.data() + digits.size();
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(digits.data(), last, pid);
  if (error != std::errc{} || end != last || pid <= 0) return std::nullopt;
  return pid;
}

const std::string& our_place() {
  static const std::string place = find_place();
  return place;
}

std::string our_session_name(std::string_view purpose) {
  return session_name(purpose, host_name(), our_place(), ::getpid());
}

}  // namespace lockstep::postgres
