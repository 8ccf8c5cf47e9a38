// All of models.
#pragma once

#include "models/blocks.h"
#include "models/description.h"
#include "models/layout.h"
#include "models/registry.h"
#include "models/resnet.h"
#include "models/summary.h"
#include "models/whitening.h"
#include "models/wrapped_names.h"
