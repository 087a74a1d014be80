#version 430
in vec2 uv;
out vec4 color;
uniform sampler2D irradiance, albedo, gloss, depth;
uniform vec3 backdrop;
uniform vec3 backdrop_glow;
uniform float exposure;

vec3 filmic(vec3 x) {  // Narkowicz 2015, ACES fitted
    return clamp(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0.0, 1.0);
}

void main() {
    vec4 a = texture(albedo, uv);
    vec3 light = texture(irradiance, uv).rgb * a.rgb + texture(gloss, uv).rgb;
    vec2 p = (uv - vec2(0.5, 0.62));
    vec3 behind = backdrop + backdrop_glow * exp(-dot(p, p) * 4.5);
    vec3 linear = a.a > 0.5 ? light : behind;
    vec3 shown = filmic(linear * exposure);
    color = vec4(pow(shown, vec3(1.0 / 2.2)), 1.0);
}
