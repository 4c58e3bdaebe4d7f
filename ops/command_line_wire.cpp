#include "ops/command_line_wire.hpp"

namespace lockstep::ops {

void add_listen(CLI::App& capture, TypedEndpoint& typed) {
  capture.add_option("--listen", typed.endpoint, "where apply connects")
      ->required()
      ->type_name("ipc://PATH|tcp://ADDRESS:PORT");
  capture.add_option("--key", typed.key, "tcp: the secret key file of this host")
      ->type_name("FILE");
  capture
      .add_option("--allow", typed.allow,
                  "tcp: the public keys that may connect: a file of them, or a folder of *.pub; "
                  "read anew at every connection")
      ->type_name("FILE|FOLDER");
}

void add_connect(CLI::App& apply, TypedEndpoint& typed) {
  apply.add_option("--connect", typed.endpoint, "where capture listens")
      ->required()
      ->type_name("ipc://PATH|tcp://ADDRESS:PORT");
  apply.add_option("--key", typed.key, "tcp: the secret key file of this host")->type_name("FILE");
  apply
      .add_option("--server-key", typed.server_key,
                  "tcp: the public key file of capture's host; no other is talked to")
      ->type_name("FILE");
}

void add_keys(CLI::App& app, KeysRequest& request, const std::function<void()>& chosen) {
  CLI::App* keys = app.add_subcommand("keys", "key files for capture and apply on two hosts");
  keys->require_subcommand(1);
  keys->footer(
      "Example:\n  lockstep keys generate /etc/lockstep/shop\nmakes /etc/lockstep/shop (secret, "
      "0600) and /etc/lockstep/shop.pub");
  const auto add = [&](const char* name, const char* help, bool generate) {
    CLI::App* command = keys->add_subcommand(name, help);
    command->add_option("FILE", request.file, "the secret file; FILE.pub is the public one")
        ->required()
        ->type_name("");
    command->add_flag("--json", request.json, "one JSON object per line on stdout");
    command->callback([&request, chosen, generate] {
      request.generate = generate;
      chosen();
    });
  };
  add("generate", "make a pair; an existing file is never written over", true);
  add("show", "public key and fingerprint of a secret or a public file", false);
}

}  // namespace lockstep::ops
