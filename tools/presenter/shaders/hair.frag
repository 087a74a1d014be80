#version 430
#include lighting
// Kajiya and Kay 1989 with Marschner's two highlights: white, shifted to the tip, and coloured, shifted to the root.
in vec3 v_position, v_tangent;
in vec4 v_strand;
layout(location = 0) out vec4 out_irradiance;
layout(location = 1) out vec4 out_albedo;
layout(location = 2) out vec4 out_gloss;
uniform vec3 hair_color, tip_color;
uniform float shine;

float lobe(vec3 t, vec3 v, vec3 l, float power) {
    vec3 h = normalize(v + l);
    float s = sqrt(max(1.0 - dot(t, h) * dot(t, h), 0.0));
    return pow(s, power);
}

void main() {
    vec3 t = normalize(v_tangent), v = normalize(eye_position - v_position);
    vec3 n = normalize(v - t * dot(v, t));
    float jitter = v_strand.z - 0.5;
    vec3 albedo = mix(hair_color, tip_color, v_strand.y) * (0.75 + 0.5 * v_strand.z);
    float ao = mix(1.0, 0.38, v_strand.w) * mix(0.55, 1.0, smoothstep(0.0, 0.35, v_strand.y));
    vec3 irradiance = ambient(n) * ao * 0.8, glossy = vec3(0.0);
    for (int i = 0; i < LIGHTS; ++i) {
        vec3 l = light_direction[i];
        float shade = visible(i, v_position, n * 1.5, 4);
        float diffuse = 0.35 + 0.65 * sqrt(max(1.0 - dot(t, l) * dot(t, l), 0.0));
        float facing = 0.35 + 0.65 * max(dot(n, l), 0.0);
        irradiance += light_color[i] * diffuse * facing * shade * ao * 0.65;
        vec3 t1 = normalize(t + n * (0.10 + 0.10 * jitter)), t2 = normalize(t - n * (0.15 - 0.12 * jitter));
        glossy += light_color[i] * shade * ao * facing * shine
                * (0.10 * lobe(t1, v, l, 90.0) + albedo * 0.9 * lobe(t2, v, l, 26.0));
    }
    out_irradiance = vec4(irradiance, 0.0);
    out_albedo = vec4(albedo, 1.0);
    out_gloss = vec4(glossy, 1.0);
}
