#pragma once

#include "ops/ops.h"

namespace octet {

/// Extents that a Reshape of `dims` to `target` has. In `target` a 0 copies the extent at its place
/// unless `allow_zero`; one extent without number or symbol (-1) takes what the others leave.
/// Refuses when the counts differ or when the -1 would stand for a product that has no name.
Dims reshape_dims(const InferenceContext& context, const Dims& dims, const Dims& target,
                  bool allow_zero);

/// The product of some extents as one extent; refuses when it has no name.
Dim product_extent(const InferenceContext& context, const Dims& dims);

}  // namespace octet
