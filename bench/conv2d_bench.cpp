// The three passes of the convolutions of resnet18, resnet20 and resnext29_32x4d, and of the wider
// groups of resnext29_8x64d, resnext29_32x32d and the like, with every engine that supports them.
#include <fmt/format.h>

#include "bench/bench.h"
#include "core/kernels/conv2d.h"

namespace resgrad::bench {
namespace {

using kernels::Conv2dDims;
using kernels::Conv2dEngine;
using kernels::Conv2dPass;

Conv2dDims dims(std::int64_t c_in, std::int64_t c_out, std::int64_t kernel, std::int64_t stride,
                std::int64_t size, std::int64_t groups = 1) {
  const std::int64_t pad = kernel / 2;
  return {.n = 0,  // images: as many as wanted
          .c_in = c_in,
          .h_in = size,
          .w_in = size,
          .c_out = c_out,
          .k_h = kernel,
          .k_w = kernel,
          .stride_h = stride,
          .stride_w = stride,
          .pad_h = pad,
          .pad_w = pad,
          .dilation_h = 1,
          .dilation_w = 1,
          .groups = groups};
}

struct Network {
  const char* name;
  std::vector<Conv2dDims> convolutions;
};

const Network kNetworks[] = {
    {"resnet18",
     {dims(3, 64, 3, 1, 32), dims(64, 64, 3, 1, 32), dims(64, 128, 3, 2, 32),
      dims(64, 128, 1, 2, 32), dims(128, 128, 3, 1, 16), dims(128, 256, 3, 2, 16),
      dims(128, 256, 1, 2, 16), dims(256, 256, 3, 1, 8), dims(256, 512, 3, 2, 8),
      dims(256, 512, 1, 2, 8), dims(512, 512, 3, 1, 4)}},
    {"resnet20",
     {dims(3, 16, 3, 1, 32), dims(16, 16, 3, 1, 32), dims(16, 32, 3, 2, 32), dims(32, 32, 3, 1, 16),
      dims(32, 64, 3, 2, 16), dims(64, 64, 3, 1, 8)}},
    {"resnext29_32x4d",
     {dims(64, 128, 1, 1, 32), dims(128, 128, 3, 1, 32, 32), dims(128, 256, 1, 1, 32),
      dims(256, 128, 1, 1, 32), dims(256, 256, 1, 1, 32), dims(256, 256, 3, 2, 32, 32),
      dims(256, 512, 1, 1, 16), dims(256, 512, 1, 2, 32), dims(256, 256, 3, 1, 16, 32),
      dims(512, 256, 1, 1, 16), dims(512, 512, 1, 1, 16), dims(512, 512, 3, 2, 16, 32),
      dims(512, 1024, 1, 1, 8), dims(512, 1024, 1, 2, 16), dims(512, 512, 3, 1, 8, 32),
      dims(1024, 512, 1, 1, 8)}},
    {"wide_groups",
     {dims(512, 512, 3, 1, 32, 8), dims(1024, 1024, 3, 2, 32, 8), dims(1024, 1024, 3, 1, 16, 8),
      dims(1024, 1024, 3, 1, 16, 32), dims(512, 512, 3, 1, 8, 32)}}};

void run(benchmark::State& state, const Conv2dEngine<float>& engine, Conv2dPass pass,
         const Conv2dDims& d) {
  Tensor x = random_tensor({d.n, d.h_in, d.w_in, d.c_in}),
         y = random_tensor({d.n, d.h_out(), d.w_out(), d.c_out}),
         w = random_tensor({d.c_out, d.group_in(), d.k_h, d.k_w});
  const auto plan = engine.plan(d, pass);
  const Storage workspace(plan->workspace_bytes());
  float *px = x.data<float>(), *py = y.data<float>(), *pw = w.data<float>();
  measure(state, {.flops = 2 * static_cast<double>(d.macs())}, [&] {
    switch (pass) {
      case Conv2dPass::forward:
        return plan->run(py, {px}, pw, workspace.data());
      case Conv2dPass::backward_input:
        return plan->run(px, {py}, pw, workspace.data());
      case Conv2dPass::backward_weight:
        return plan->run(pw, {px}, py, workspace.data());
    }
  });
}

}  // namespace

void add_conv2d(std::int64_t images) {
  const Conv2dEngine<float>* const engines[] = {
      &kernels::winograd_conv2d(), &kernels::direct_conv2d(), &kernels::grouped_conv2d(),
      &kernels::reference_conv2d<float>()};
  for (const Network& network : kNetworks) {
    for (Conv2dDims d : network.convolutions) {
      d.n = images;
      const std::string shape = fmt::format("{}x{}_{}to{}_groups{}_stride{}_size{}", d.k_h, d.k_w,
                                            d.c_in, d.c_out, d.groups, d.stride_h, d.h_in);
      for (const auto pass :
           {Conv2dPass::forward, Conv2dPass::backward_input, Conv2dPass::backward_weight}) {
        for (const auto* engine : engines) {
          if (!engine->supports(d, pass)) continue;
          add(fmt::format("conv2d/{}/{}/{}/{}", network.name, shape, name(pass), engine->name()),
              [engine, pass, d](benchmark::State& state) { run(state, *engine, pass, d); });
        }
      }
    }
  }
}

}  // namespace resgrad::bench
