"""What Bazel 2.1 would download for a py_test, although Python needs none of it.

Its own tools load rules_cc, rules_java and rules_proto, and a coverage tool. The stand-ins only
name the rules that Bazel 2.1 still has built in, so `bazel test` runs without a network.
`bazel coverage` has no report generator here.
"""

NATIVE_RULES = {
    "cc": ["cc_binary", "cc_library", "cc_test", "cc_toolchain", "cc_toolchain_suite"],
    "java": ["java_binary", "java_import", "java_runtime", "java_toolchain"],
    "proto": ["proto_lang_toolchain", "proto_library"],
}

NO_COVERAGE = """
filegroup(name = "coverage_report_generator", visibility = ["//visibility:public"])
filegroup(name = "lcov_merger", visibility = ["//visibility:public"])
"""

def _written_repository(repository_ctx):
    for path, text in repository_ctx.attr.files.items():
        repository_ctx.file(path, text)

_written_repository_rule = repository_rule(
    implementation = _written_repository,
    attrs = {"files": attr.string_dict()},
)

def offline_repositories():
    """Declares the stand-ins; Bazel's own definitions of the same names then do not apply."""
    for name, rules in NATIVE_RULES.items():
        _written_repository_rule(
            name = "rules_" + name,
            files = {
                "BUILD": "",
                name + "/BUILD": "",
                name + "/defs.bzl": "\n".join(["%s = native.%s" % (r, r) for r in rules]) + "\n",
            },
        )
    _written_repository_rule(name = "remote_coverage_tools", files = {"BUILD": NO_COVERAGE})
