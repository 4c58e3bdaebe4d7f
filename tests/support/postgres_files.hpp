// Where PostgreSQL's programs are, who runs them, and a new cluster's files.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>

namespace lockstep::test {

/// Of the newest server found. Throws std::runtime_error that says what to install if there is
/// none.
[[nodiscard]] const std::filesystem::path& postgres_binaries();

struct ServerUser {
  uid_t user;
  gid_t group;
};
/// PostgreSQL refuses to run as root: who runs it then. Nothing if we are not root.
[[nodiscard]] std::optional<ServerUser> server_user();

/// Makes the server's user the owner of everything below `folder`; nothing to do if that is us.
void give_to_server_user(const std::filesystem::path& folder);

/// Fills `data` with a fresh cluster. initdb runs once per server version; its result is kept and
/// copied.
void make_cluster(const std::filesystem::path& data);

}  // namespace lockstep::test
