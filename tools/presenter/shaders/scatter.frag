#version 430
// Light that enters skin leaves it a little further on, red furthest: one direction of a separable blur of the
// irradiance (Jimenez et al. 2015), which stops where depth jumps.
in vec2 uv;
out vec4 color;
uniform sampler2D irradiance, depth;
uniform vec2 step_px;   // one pixel along the blur, in uv
uniform float px_per_cm;

float linear(float z) { return 1.0 / (1.0 - z * 0.98); }

void main() {
    vec4 centre = texture(irradiance, uv);
    if (centre.a <= 0.0) { color = centre; return; }
    float z = linear(texture(depth, uv).r);
    vec3 sigma = vec3(0.30, 0.12, 0.07) * centre.a * px_per_cm;  // cm on skin, as pixels
    vec3 sum = vec3(0.0), total = vec3(0.0);
    float reach = 2.5 * sigma.r;
    for (int i = -8; i <= 8; ++i) {
        float offset = reach * float(i) / 8.0;
        vec2 at = uv + step_px * offset;
        vec4 there = texture(irradiance, at);
        float near = there.a > 0.0 ? exp(-abs(linear(texture(depth, at).r) - z) * 60.0) : 0.0;
        vec3 w = exp(-0.5 * (offset * offset) / (sigma * sigma)) * near;
        sum += w * there.rgb; total += w;
    }
    color = vec4(sum / max(total, vec3(1e-4)), centre.a);
}
