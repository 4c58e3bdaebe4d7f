#include "ops/endpoint.hpp"

#include <fmt/format.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "model/error.hpp"
#include "ops/names.hpp"

namespace lockstep::ops {

namespace {

constexpr std::string_view kIpc = "ipc://";
constexpr std::string_view kTcp = "tcp://";

[[noreturn]] void refuse(const std::string& typed, const std::string& why) {
  throw Error({.code = "LS-C120",
               .exit = ExitCode::usage,
               .what = fmt::format("{} is no endpoint of lockstep's", typed),
               .why = why,
               .data = "nothing was touched",
               .todo = "write ipc:///run/lockstep/shop.sock (a path that both processes can reach) "
                       "or tcp://ADDRESS:PORT"});
}

[[noreturn]] void refuse_keys(const std::string& typed, const std::string& why,
                              const std::string& todo) {
  throw Error({.code = "LS-C121",
               .exit = ExitCode::usage,
               .what = fmt::format("the keys do not fit {}", typed),
               .why = why,
               .data = "nothing was touched",
               .todo = todo});
}

void check_path(const std::string& typed) {
  const std::string_view path = std::string_view(typed).substr(kIpc.size());
  if (path.empty() || path.front() != '/') refuse(typed, "the path is not absolute");
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    refuse(typed, fmt::format("the path has {} bytes; a Unix socket takes {}", path.size(),
                              sizeof(sockaddr_un::sun_path) - 1));
}

enum class Use { listen, connect };

void check_address(const std::string& typed, Use use) {
  const std::string_view rest = std::string_view(typed).substr(kTcp.size());
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) refuse(typed, "the port is missing");
  const std::string_view address = rest.substr(0, colon);
  const std::string_view port = rest.substr(colon + 1);
  unsigned number = 0;
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), number);
  if (parsed.ec != std::errc{} || parsed.ptr != port.data() + port.size() || number == 0 ||
      number > 65'535)
    refuse(typed, "the port is no number from 1 to 65535");
  if (address.empty()) refuse(typed, "the address is missing");
  if (address == "*" && use == Use::connect) refuse(typed, "* is no address to connect to");
  const bool bracketed = address.front() == '[' && address.back() == ']';
  if (address.find(':') != std::string_view::npos && !bracketed)
    refuse(typed, "an IPv6 address is written in brackets: tcp://[::1]:7879");
  const auto fits = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '-' || c == '_' || c == ':' || c == '%' || c == '[' || c == ']';
  };
  if (address != "*" && !std::all_of(address.begin(), address.end(), fits))
    refuse(typed, "the address has a character that no host name and no address has");
}

/// True if it is tcp.
bool check_endpoint(const std::string& typed, Use use) {
  if (typed.starts_with(kIpc)) {
    check_path(typed);
    return false;
  }
  if (!typed.starts_with(kTcp)) refuse(typed, "only ipc:// and tcp:// are known");
  check_address(typed, use);
  return true;
}

constexpr char kMakeKeys[] = "lockstep keys generate FILE makes a pair; GUIDE.md, \"Two hosts\"";

}  // namespace

ListenAt listen_at(const TypedEndpoint& typed) {
  ListenAt at{typed.endpoint, std::nullopt};
  if (!check_endpoint(typed.endpoint, Use::listen)) {
    if (!typed.key.empty() || !typed.allow.empty())
      refuse_keys(typed.endpoint, "over ipc the file system's rights protect, not keys",
                  "leave --key and --allow out");
    return at;
  }
  if (typed.key.empty() || typed.allow.empty())
    refuse_keys(typed.endpoint, "over tcp nobody is let in without a key: --key and --allow",
                kMakeKeys);
  wire::protect_memory();
  static_cast<void>(own_fingerprint(typed.key));
  static_cast<void>(wire::read_allowed_keys(typed.allow));
  at.keys = wire::ServerKeys{typed.key, typed.allow};
  return at;
}

ConnectTo connect_to(const TypedEndpoint& typed) {
  ConnectTo to{typed.endpoint, std::nullopt};
  if (!check_endpoint(typed.endpoint, Use::connect)) {
    if (!typed.key.empty() || !typed.server_key.empty())
      refuse_keys(typed.endpoint, "over ipc the file system's rights protect, not keys",
                  "leave --key and --server-key out");
    return to;
  }
  if (typed.key.empty() || typed.server_key.empty())
    refuse_keys(typed.endpoint, "over tcp nothing is sent without keys: --key and --server-key",
                kMakeKeys);
  wire::protect_memory();
  static_cast<void>(own_fingerprint(typed.key));
  static_cast<void>(wire::read_public_key(typed.server_key));
  to.keys = wire::ClientKeys{typed.key, typed.server_key};
  return to;
}

std::string own_fingerprint(const std::string& key_file) {
  wire::Secret secret;
  return wire::fingerprint(wire::read_secret_key(key_file, secret));
}

bool is_endpoint(const std::string& text) {
  return text.starts_with(kIpc) || text.starts_with(kTcp);
}

}  // namespace lockstep::ops
