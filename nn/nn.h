// All of nn.
#pragma once

#include "nn/batch_norm2d.h"
#include "nn/conv2d.h"
#include "nn/eval_guard.h"
#include "nn/inference.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/linear.h"
#include "nn/loss.h"
#include "nn/module.h"
#include "nn/onnx.h"
#include "nn/recompute.h"
#include "nn/sequential.h"
