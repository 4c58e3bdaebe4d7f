#include "link/wire/bell.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

namespace lockstep::wire {

Bell::Bell() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Bell::~Bell() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void Bell::ring() noexcept {
  if (descriptor_ >= 0) ::eventfd_write(descriptor_, 1);
}

void Bell::silence() noexcept {
  eventfd_t rung = 0;
  if (descriptor_ >= 0) ::eventfd_read(descriptor_, &rung);
}

}  // namespace lockstep::wire
