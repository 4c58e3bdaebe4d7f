#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "link/wire/keys.hpp"
#include "ops/commands.hpp"
#include "ops/names.hpp"

namespace lockstep::ops {

namespace {

// A public file is told by its name's end, so that a secret is never looked for in it.
std::string public_key_of(const std::string& file) {
  if (file.ends_with(".pub")) return wire::read_public_key(file);
  wire::Secret secret;
  return wire::read_secret_key(file, secret);
}

}  // namespace

ExitCode command_keys(const KeysRequest& request, Screen& screen) {
  wire::protect_memory();
  const std::string key =
      request.generate ? wire::generate_keys(request.file) : public_key_of(request.file);
  const std::string print = wire::fingerprint(key);
  screen.json(nlohmann::json{
      {"type", "key"}, {"file", request.file}, {"public", key}, {"fingerprint", print}}
                  .dump());
  if (request.generate) {
    screen.result(fmt::format("secret      {}   stays on this host", request.file));
    screen.result(fmt::format("public      {}.pub   goes to the other host", request.file));
  }
  screen.result(
      fmt::format("fingerprint {}   compare it there: lockstep keys show FILE.pub", print));
  return ExitCode::done;
}

}  // namespace lockstep::ops
