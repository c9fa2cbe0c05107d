// SPDX-License-Identifier: Apache-2.0
//
// Two shared objects that hide all but one function each.
#pragma once

__attribute__((visibility("default"))) void throw_error();
// What it caught: the status, or 0.
__attribute__((visibility("default"))) int catch_error();
