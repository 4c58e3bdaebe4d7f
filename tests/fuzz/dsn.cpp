// Connection strings as people paste them. Whatever is read or refused, no text that may be shown
// has the password in it.
#include "link/postgres/dsn.hpp"

#include <libpq-fe.h>

#include <memory>

#include "tests/fuzz/fuzz.hpp"

namespace {
using namespace lockstep;

constexpr std::string_view kCanary = "CANARY-7f3a";

void hides(const std::string& text, std::string_view secret, const char* promise) {
  check(text.find(secret) == std::string::npos, promise);
}

void libpq_takes(const std::string& conninfo) {
  struct Free {
    void operator()(PQconninfoOption* options) const noexcept { PQconninfoFree(options); }
  };
  char* trouble = nullptr;
  const std::unique_ptr<PQconninfoOption, Free> options(
      PQconninfoParse(conninfo.c_str(), &trouble));
  PQfreemem(trouble);
  check(options != nullptr, "what is stored can be given to libpq");
}

// `secret` must be shown nowhere; empty: nothing to hide.
void parse(const std::string& text, std::string_view secret) {
  try {
    const postgres::Dsn dsn = postgres::parse_dsn(text);
    const std::string stored = dsn.without_secrets();
    libpq_takes(stored);
    const postgres::Dsn again = postgres::parse_dsn(stored.empty() ? "host=''" : stored);
    check(again.parameter("password").empty(), "what is stored has no password");
    check(again.parameter("host") == dsn.parameter("host"), "and leads to the same place");
    if (secret.empty() || dsn.parameter("password").find(secret) == std::string::npos) return;
    // Percent-encoded, the fuzzer may have found it, and written it where it is no secret.
    for (const auto& [keyword, value] : dsn.parameters)
      if (keyword != "password" && value.find(secret) != std::string::npos) return;
    hides(dsn.shown(), secret, "what is shown has no password");
    hides(stored, secret, "what is stored has no password");
    for (const std::string& note : dsn.notes) hides(note, secret, "no note has the password");
    hides(postgres::redacted("x " + dsn.parameter("password") + " y", dsn), secret,
          "texts of libpq are redacted");
  } catch (const Error& error) {
    check(error.code().starts_with("LS-C10"), "a connection string is refused by its own code");
    if (secret.empty()) return;
    hides(error.what(), secret, "no error has the password");
    hides(error.facts().data + error.facts().todo, secret, "no advice has the password");
  }
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t form = input.byte() % 4;
  const std::string text(input.rest());
  if (text.find(kCanary) != std::string::npos) return 0;  // where it is no secret
  if (form == 0) parse(text, {});
  if (form == 1) parse("postgresql://owner:" + std::string(kCanary) + text + "@host/shop", kCanary);
  if (form == 2) parse("host=h password=" + std::string(kCanary) + text, kCanary);
  if (form == 3)
    parse("postgresql://owner@host/shop?" + text + "&password=" + std::string(kCanary), kCanary);
  return 0;
}
