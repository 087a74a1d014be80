#version 430
#include lighting
in vec3 v_position, v_normal, v_rest, v_albedo;
in vec4 v_material;
layout(location = 0) out vec4 out_irradiance;  // rgb and how far light scatters under the surface
layout(location = 1) out vec4 out_albedo;
layout(location = 2) out vec4 out_gloss;
uniform int kind;  // 0 skin, 1 eye, 2 wet (teeth, gums, tongue), 3 cloth
uniform vec4 iris;      // eyes: colour, angle from the axis to its rim
uniform vec3 gaze[2];   // eyes: optical axes, right then left
uniform vec3 eyeball[2];
uniform float weave;

void main() {
    vec3 n = normalize(v_normal), v = normalize(eye_position - v_position);
    if (kind == 3 && v_material.w < 0.5) discard;  // below the neckline only
    if (kind != 1 && dot(n, v) < -0.2 && kind != 3) n = -n;
    float ao = v_material.x, roughness = v_material.y;
    vec3 albedo = v_albedo;
    float f0 = 0.028, gloss = 1.0;

    if (kind == 0) {
        float pores = noise(v_rest * 17.0);
        n = bumped(v_position, n, v_material.z * 0.011 * pores);
        albedo *= 0.97 + 0.06 * pores;
        roughness += 0.10 * (pores - 0.5);
    } else if (kind == 3) {
        vec3 q = v_rest * weave;
        float knit = sin(q.x * 6.2832 + 1.2 * sin(q.y * 6.2832)) * 0.5 + sin(q.y * 6.2832) * 0.3;
        n = bumped(v_position, n, v_material.z * 0.03 * knit);
        albedo *= 0.93 + 0.07 * knit + 0.06 * (noise(v_rest * 3.0) - 0.5);
        gloss = 0.35;
    } else if (kind == 1) {
        int side = v_rest.x < 0.0 ? 0 : 1;
        vec3 radial = normalize(v_position - eyeball[side]);
        float c = dot(radial, gaze[side]);
        float angle = acos(clamp(c, -1.0, 1.0));
        float r = angle / iris.w;  // 1 at the limbus
        vec3 u = normalize(cross(gaze[side], vec3(0, 1, 0))), w = cross(u, gaze[side]);
        float around = atan(dot(radial, w), dot(radial, u));
        float fibre = noise(vec3(cos(around) * 9.0, sin(around) * 9.0, r * 2.0)) * 0.6
                    + noise(vec3(cos(around) * 23.0, sin(around) * 23.0, r * 3.0)) * 0.4;
        vec3 inner = iris.rgb * (0.55 + 0.9 * fibre) * mix(1.5, 0.75, smoothstep(0.3, 0.95, r));
        inner += vec3(0.10, 0.06, 0.02) * (1.0 - smoothstep(0.30, 0.6, r));
        inner *= 1.0 - 0.75 * smoothstep(0.78, 1.0, r);
        inner *= smoothstep(0.33, 0.40, r);
        vec3 sclera = vec3(0.47, 0.43, 0.405);
        sclera = mix(sclera, vec3(0.50, 0.27, 0.24), smoothstep(1.9, 3.4, r) * 0.6);
        sclera *= 1.0 - 0.05 * smoothstep(0.55, 0.7, noise(v_rest * 18.0));
        albedo = mix(inner, sclera, smoothstep(0.94, 1.10, r));
        // The cornea bulges: highlights come from a smaller sphere set forward.
        vec3 cornea = normalize(radial * 0.55 + (radial - gaze[side] * 0.50) * 0.45);
        n = r < 1.25 ? normalize(mix(cornea, radial, smoothstep(0.9, 1.25, r))) : radial;
        roughness = r < 1.2 ? 0.09 : 0.20;
        f0 = 0.03;
    } else {
        n = bumped(v_position, n, v_material.z * 0.004 * noise(v_rest * 9.0));
        f0 = 0.04;
    }

    vec3 irradiance = ambient(n) * ao;
    vec3 glossy = vec3(0.0);
    for (int i = 0; i < LIGHTS; ++i) {
        vec3 l = light_direction[i];
        float wrap = kind == 0 ? 0.10 : (kind == 3 ? 0.15 : 0.2);
        if (dot(n, l) < -wrap) continue;
        // Light that finds its way past the lips is scattered: no sharp shadow on teeth and tongue.
        float shade = kind == 2 ? 0.42 : visible(i, v_position, normalize(v_normal), i == 0 ? 10 : 5);
        float cosine = max((dot(n, l) + wrap) / (1.0 + wrap), 0.0);
        float occlusion = kind == 2 ? min(ao * 1.4, 1.0) : mix(ao, 1.0, 0.6);
        irradiance += light_color[i] * cosine * shade * occlusion;
        float lobe = ggx(n, v, l, roughness, f0);
        if (kind == 0) lobe = 0.75 * lobe + 0.35 * ggx(n, v, l, min(roughness * 1.7, 0.9), f0);
        glossy += light_color[i] * lobe * shade * occlusion * gloss;
    }
    float fresnel = f0 + (1.0 - f0) * pow(1.0 - max(dot(n, v), 0.0), 5.0);
    glossy += ambient(reflect(-v, n)) * fresnel * ao * gloss * (kind == 1 || kind == 2 ? 0.9 : 0.32) * (1.0 - roughness * 0.7);
    if (kind == 1) {  // softboxes mirrored in the cornea: what makes an eye alive
        vec3 mirror = reflect(-v, n);
        for (int i = 0; i < 2; ++i) {
            float hit = smoothstep(0.965, 0.985, dot(mirror, light_direction[i]));
            glossy += light_color[i] * hit * 0.22 * ao;
        }
    }
    out_irradiance = vec4(irradiance, kind == 0 ? v_material.w : 0.0);
    out_albedo = vec4(albedo, 1.0);
    out_gloss = vec4(glossy, 1.0);
}
