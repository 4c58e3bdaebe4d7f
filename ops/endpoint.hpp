// Where capture listens and apply connects, and the keys for it. The words on the command line to
// what the sockets take.
#pragma once

#include <optional>
#include <string>

#include "link/wire/keys.hpp"

namespace lockstep::ops {

/// As typed; empty: not given.
struct TypedEndpoint {
  std::string endpoint;
  std::string key;         ///< --key: this end's secret file
  std::string allow;       ///< --allow: capture's list of those who may connect
  std::string server_key;  ///< --server-key: the public key of the capture that apply talks to
};

struct ListenAt {
  std::string endpoint;
  std::optional<wire::ServerKeys> keys;  ///< nothing for ipc and inproc
};
struct ConnectTo {
  std::string endpoint;
  std::optional<wire::ClientKeys> keys;  ///< nothing for ipc and inproc
};

/// Both throw LS-C120 (exit 2) for anything but ipc://PATH with a path that a Unix socket can have
/// and tcp://ADDRESS:PORT; LS-C121 (exit 2) for tcp without keys, and for keys where none are used;
/// and what link/wire/keys.hpp says of files. With keys, this process's memory is protected from
/// here on.
[[nodiscard]] ListenAt listen_at(const TypedEndpoint& typed);
[[nodiscard]] ConnectTo connect_to(const TypedEndpoint& typed);

/// How a person tells this end's key from others; empty without keys. Reads the key file.
[[nodiscard]] std::string own_fingerprint(const std::string& key_file);

/// A status whose target is such an endpoint is that of a capture of its own.
[[nodiscard]] bool is_endpoint(const std::string& text);

}  // namespace lockstep::ops
