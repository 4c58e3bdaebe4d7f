// Key files, as somebody may have edited them: secret ones, public ones, lists of allowed keys.
#include "link/wire/keys.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "tests/fuzz/fuzz.hpp"

namespace {
using namespace lockstep;

/// One file of this process, written anew for each input.
class InputFile {
 public:
  InputFile() {
    const char* folder = std::getenv("TMPDIR");
    path_ =
        fmt::format("{}/lockstep-fuzz-keys-{}", folder == nullptr ? "/tmp" : folder, ::getpid());
  }
  ~InputFile() { ::unlink(path_.c_str()); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  const std::string& holding(std::string_view text) {
    const int file = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check(file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()),
          "the input can be written");
    ::close(file);
    return path_;
  }

 private:
  std::string path_;
};

template <class Read>
void read(Read&& reading) {
  try {
    reading();
  } catch (const Error& error) {
    check(error.code().starts_with("LS-C12"), "a key file is refused by its own code");
  }
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static InputFile file;
  const std::string& path = file.holding({reinterpret_cast<const char*>(data), size});
  read([&] {
    wire::Secret secret;
    check(wire::read_secret_key(path, secret).size() == wire::kZ85Bytes,
          "a secret has its public key");
  });
  read([&] {
    check(wire::fingerprint(wire::read_public_key(path)).size() == 12, "a key has a fingerprint");
  });
  read([&] {
    for (const std::string& key : wire::read_allowed_keys(path))
      check(key.size() == wire::kZ85Bytes, "what is allowed is a key");
  });
  return 0;
}
