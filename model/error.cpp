#include "model/error.hpp"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace lockstep {

namespace {
std::string headline(const ErrorFacts& facts) {
  std::string line = facts.code + ": " + facts.what;
  if (!facts.why.empty()) line += ": " + facts.why;
  return line;
}
}  // namespace

Error::Error(ErrorFacts facts) : std::runtime_error(headline(facts)), facts_(std::move(facts)) {}

void broken_promise(const char* promise, const char* file, int line) {
  std::fprintf(stderr, "broken promise: %s (%s:%d)\n", promise, file, line);
  std::abort();
}

}  // namespace lockstep
