#include "ops/version.hpp"

namespace lockstep::ops {

std::string version_text() {
  return "lockstep " LOCKSTEP_VERSION;
}

}  // namespace lockstep::ops
