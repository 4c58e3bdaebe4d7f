// CURVE keys as files: made, read, checked. A secret is in locked memory while it is used and
// nowhere else: not in arguments, environment, messages or core dumps.
//
//   secret file: "secret Z85" (40 characters), 0600      public file: "public Z85 LABEL"
//   Lines that are empty or begin with "# " are passed over.
#pragma once

#include <array>
#include <string>
#include <vector>

namespace lockstep::wire {

inline constexpr std::size_t kKeyBytes = 32;
inline constexpr std::size_t kZ85Bytes = 40;  // of such a key

/// Locked against swapping, zeroed when it goes. Never printed: there is no way to a std::string.
class Secret {
 public:
  Secret();
  ~Secret();
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  /// Z85 and a NUL.
  [[nodiscard]] char* data() { return z85_.data(); }
  [[nodiscard]] const char* data() const { return z85_.data(); }

 private:
  std::array<char, kZ85Bytes + 1> z85_{};
};

/// Which keys a listening socket uses: its own, and the file (or folder of *.pub files) that lists
/// the public keys of those who may connect. The list is read anew at every handshake.
struct ServerKeys {
  std::string key_file;
  std::string allow;
};

/// Which keys a connecting socket uses: its own, and the one server that it talks to.
struct ClientKeys {
  std::string key_file;
  std::string server_key_file;
};

/// Makes a pair: `path` with the secret, 0600, and `path`.pub, 0644; both are on disk when it
/// returns the public key (Z85). Throws LS-C125 if one of the files exists, LS-C122 if they cannot
/// be written; then neither of them is left.
std::string generate_keys(const std::string& path);

/// Fills `secret` from a secret file and returns its public key (Z85). Throws LS-C122 (not there,
/// not a secret file), LS-C123 (a link, another owner, or readable by others), LS-C124 (a key that
/// is published in ZeroMQ's manual).
std::string read_secret_key(const std::string& path, Secret& secret);

/// The one public key (Z85) of a public file. Throws as read_secret_key().
[[nodiscard]] std::string read_public_key(const std::string& path);

/// Every public key of a file, or of the files *.pub of a folder; may be none. Nobody but us and
/// root may be able to write there. Throws as read_secret_key().
[[nodiscard]] std::vector<std::string> read_allowed_keys(const std::string& path);

/// 12 hex digits of BLAKE2b over the 32 bytes of a public key (Z85): what people compare.
[[nodiscard]] std::string fingerprint(const std::string& public_key);

/// For a process that is about to hold a secret: no core dump, no reading of its memory by other
/// processes of the same user.
void protect_memory();

}  // namespace lockstep::wire
