// Named places where a test lets this process die, stop, fail or wait. In builds with the CMake
// option LOCKSTEP_FAILPOINTS only: what people run contains neither the names nor the code.
#pragma once

#ifdef LOCKSTEP_FAILPOINTS

namespace lockstep {

/// Does what the environment asks for at this place, if anything (see tests/README.md,
/// "Failpoints"). Throws Error LS-R798 (Retry::new_session) for the action `error`. Any thread may
/// call.
void failpoint(const char* name);

}  // namespace lockstep

#define LOCKSTEP_FAILPOINT(name) ::lockstep::failpoint(name)

#else

#define LOCKSTEP_FAILPOINT(name) static_cast<void>(0)

#endif
