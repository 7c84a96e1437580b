#pragma once

/// Everything a program needs: load → quantize → export_onnx → compile → Engine → Session.
#include "octet/engine.h"
#include "octet/model.h"
#include "octet/result.h"
#include "octet/version.h"
