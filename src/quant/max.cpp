#include "quant/calibrator.h"

namespace octet::quant {

float solve_max(const Distribution& seen) {
  return seen.largest;
}

}  // namespace octet::quant
