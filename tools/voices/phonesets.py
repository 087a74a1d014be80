"""Segment names of Flite's and Festival's voices, in IPA. "" is silence."""

from __future__ import annotations


def _pairs(text: str) -> dict[str, str]:
    """ "name=ipa name=ipa ..." as a table."""
    return dict(pair.rsplit("=", 1) for pair in text.split())


SILENCES = {"pau": "", "h#": "", "brth": "", "#": "", "##": "", "_": ""}

RADIO = SILENCES | _pairs(
    "aa=ɑ ae=æ ah=ʌ ao=ɔ aw=aʊ ax=ə axr=ɚ ay=aɪ eh=ɛ er=ɝ ey=eɪ ih=ɪ iy=i ow=oʊ oy=ɔɪ uh=ʊ uw=u "
    "b=b ch=tʃ d=d dh=ð dx=ɾ el=l̩ em=m̩ en=n̩ f=f g=ɡ hh=h hv=h jh=dʒ k=k l=l m=m n=n nx=n ng=ŋ "
    "p=p r=ɹ s=s sh=ʃ t=t th=θ v=v w=w y=j z=z zh=ʒ"
)
ITALIAN = SILENCES | _pairs(
    "i=i e=e E=ɛ a=a o=o O=ɔ u=u i1=i e1=e E1=ɛ a1=a o1=o O1=ɔ u1=u j=j w=w "
    "p=p t=t k=k b=b d=d g=ɡ f=f s=s S=ʃ v=v z=z Z=ʒ ts=ts tS=tʃ dz=dz dZ=dʒ m=m n=n J=ɲ ng=ŋ nf=ɱ l=l L=ʎ r=r"
)
CZECH = SILENCES | _pairs(
    "a=a a:=aː e=ɛ e:=ɛː i=ɪ i:=iː o=o o:=oː u=u u:=uː b=b c=ts c~=tʃ ch=x d=d d~=ɟ dz=dz dz~=dʒ f=f g=ɡ h=ɦ j=j k=k "
    "l=l m=m n=n n*=ŋ n~=ɲ p=p r=r r~=r̝ r~*=r̝̊ s=s s~=ʃ t=t t~=c v=v z=z z~=ʒ"
)
_FINNISH_SHORT = _pairs(
    "a=ɑ e=e i=i o=o u=u y=y @=æ 7=ø &=æ p=p t=t k=k b=b d=d g=ɡ f=f T=θ D=ð s=s S=ʃ z=z Z=ʒ h=h v=ʋ m=m n=n N=ŋ "
    "l=l L=ʎ r=r j=j w=w"
)
FINNISH = SILENCES | _FINNISH_SHORT | {f"{name}:": f"{ipa}ː" for name, ipa in _FINNISH_SHORT.items()}
CATALAN = SILENCES | _pairs(
    "ax=ə a=a a1=a e=e e1=e E=ɛ E1=ɛ i=i i1=i o=o o1=o O=ɔ O1=ɔ u=u u1=u j=j y=j w=w b=b d=d f=f g=ɡ J=ɲ k=k l=l L=ʎ "
    "m=m n=n p=p r=ɾ rr=r s=s S=ʃ t=t x=x z=z Z=ʒ"
)
_RUSSIAN_PLAIN = _pairs("p=p b=b t=t d=d k=k g=ɡ f=f v=v s=s z=z h=x m=m n=n l=l r=r")
RUSSIAN = (
    SILENCES
    | _pairs("ii=i yy=ɨ uu=u ee=ɛ oo=o aa=a a=ɐ e=ɪ i=ɪ y=ɨ u=ʊ ae=ə ay=ə ur=ʊ c=ts ch=tɕ sh=ʂ sch=ɕ zh=ʐ j=j")
    | _RUSSIAN_PLAIN
    | {name * 2: f"{ipa}ʲ" for name, ipa in _RUSSIAN_PLAIN.items()}
)
