#include "ops/endpoint.hpp"

#include <fmt/format.h>
#include <sys/un.h>

#include <string_view>

#include "model/error.hpp"

namespace lockstep::ops {

std::string checked_endpoint(const std::string& typed) {
  constexpr std::string_view kScheme = "ipc://";
  const auto refuse = [&](const std::string& why) {
    throw Error(
        {.code = "LS-C120",
         .exit = ExitCode::usage,
         .what = fmt::format("{} is no endpoint that lockstep listens on", typed),
         .why = why,
         .data = "nothing was touched",
         .todo = "write ipc:///run/lockstep/shop.sock (a path that both processes can reach)"});
  };
  if (!typed.starts_with(kScheme))
    refuse("only ipc:// is safe without keys; two hosts are not supported yet");
  const std::string_view path = std::string_view(typed).substr(kScheme.size());
  if (path.empty() || path.front() != '/') refuse("the path is not absolute");
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    refuse(fmt::format("the path has {} bytes; a Unix socket takes {}", path.size(),
                       sizeof(sockaddr_un::sun_path) - 1));
  return typed;
}

}  // namespace lockstep::ops
