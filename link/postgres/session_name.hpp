// The application_name of our sessions: which process has one, as far as others can judge that.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

namespace lockstep::postgres {

/// "lockstep <purpose> <host>/<place>:<pid>", the host's name cut so that the server does not cut
/// the rest. Without a place: "lockstep <purpose> <host>:<pid>", as older versions called theirs.
/// Pure.
[[nodiscard]] std::string session_name(std::string_view purpose, std::string_view host,
                                       std::string_view place, pid_t pid);
/// The process that opened a session of this name, if that was at `place`; nothing: anywhere else,
/// or nobody knows where. Pure.
[[nodiscard]] std::optional<pid_t> process_at(std::string_view place,
                                              std::string_view application_name);

/// Where a process number of ours means a process: a digest of the host's name, the boot of its
/// kernel and our pid namespace. Containers may have one host name, or one kernel, and number
/// their processes apart. Empty: the system does not say.
[[nodiscard]] const std::string& our_place();
/// The name of a session of this process.
[[nodiscard]] std::string our_session_name(std::string_view purpose);

}  // namespace lockstep::postgres
